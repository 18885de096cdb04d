;; Never ends, before anything of it is called.
(module
  (memory (export "memory") 1)
  (func $start (loop (br 0)))
  (start $start)
  (func (export "_start")))
