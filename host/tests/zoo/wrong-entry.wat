;; Its entry has another type than the world says.
(component
  (core module $task (func (export "run") (result i32) (i32.const 0)))
  (core instance $t (instantiate $task))
  (func (export "run") (result u32) (canon lift (core func $t "run"))))
