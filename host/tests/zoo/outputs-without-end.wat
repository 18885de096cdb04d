;; A task that creates one output after the other, each of another name.
(component
  (import "poai:task/outputs@0.1.0" (instance $outputs
    (type $cases (enum "invalid-name" "already-exists"))
    (export "error" (type $error (eq $cases)))
    (export "output" (type $output (sub resource)))
    (export "create" (func (param "name" string) (result (result (own $output) (error $error)))))))
  (core module $memory
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
  (core instance $m (instantiate $memory))
  (core func $create (canon lower (func $outputs "create") (memory $m "memory") (realloc (func $m "realloc"))))
  (core module $task
    (import "outputs" "create" (func $create (param i32 i32 i32)))
    (import "m" "memory" (memory 1))
    (func (export "run") (result i32)
      (local $n i32)
      (loop
        (i32.store8 (i32.const 0) (i32.add (i32.const 97) (i32.and (local.get $n) (i32.const 15))))
        (i32.store8 (i32.const 1) (i32.add (i32.const 97) (i32.and (i32.shr_u (local.get $n) (i32.const 4)) (i32.const 15))))
        (i32.store8 (i32.const 2) (i32.add (i32.const 97) (i32.and (i32.shr_u (local.get $n) (i32.const 8)) (i32.const 15))))
        (i32.store8 (i32.const 3) (i32.add (i32.const 97) (i32.and (i32.shr_u (local.get $n) (i32.const 12)) (i32.const 15))))
        (call $create (i32.const 0) (i32.const 4) (i32.const 64))
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br 0))
      unreachable))
  (core instance $t (instantiate $task
    (with "outputs" (instance (export "create" (func $create))))
    (with "m" (instance $m))))
  (func (export "run") (result (result (error string)))
    (canon lift (core func $t "run") (memory $m "memory"))))
