;; Calls an empty place of a table.
(module
  (memory (export "memory") 1)
  (type $void (func))
  (table 2 funcref)
  (func (export "_start") (call_indirect (type $void) (i32.const 1))))
