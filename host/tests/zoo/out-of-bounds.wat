;; Reads beyond its memory.
(module
  (memory (export "memory") 1)
  (func (export "_start") (drop (i64.load (i32.const 65532)))))
