;; A task that asks for the network.
(component
  (import "wasi:sockets/instance-network@0.2.12" (instance $sockets
    (export "network" (type $network (sub resource)))
    (export "instance-network" (func (result (own $network))))))
  (core func $network (canon lower (func $sockets "instance-network")))
  (core module $task
    (import "sockets" "network" (func $network (result i32)))
    (memory (export "memory") 1)
    (func (export "run") (result i32)
      (drop (call $network))
      (i32.const 0)))
  (core instance $t (instantiate $task (with "sockets" (instance (export "network" (func $network))))))
  (func (export "run") (result (result (error string)))
    (canon lift (core func $t "run") (memory $t "memory"))))
