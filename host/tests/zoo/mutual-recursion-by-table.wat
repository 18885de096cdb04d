;; Two functions call each other through a table for ever.
(module
  (memory (export "memory") 1)
  (type $void (func))
  (table funcref (elem $ping $pong))
  (func $ping (call_indirect (type $void) (i32.const 1)))
  (func $pong (call_indirect (type $void) (i32.const 0)))
  (func (export "_start") (call $ping)))
