;; Reads beyond its memory, also where the preview 1 adapter has grown it.
(module
  (memory (export "memory") 1)
  (func (export "_start") (drop (i64.load (i32.const 0x7fffffff)))))
