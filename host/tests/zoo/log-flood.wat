;; Writes some hundred thousand lines to standard error, and then ends well.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "\1b]0;owned\07\1b[2Jflood\n")
  (func (export "_start")
    (local $left i32)
    (i32.store (i32.const 0) (i32.const 64))
    (i32.store (i32.const 4) (i32.const 20))
    (local.set $left (i32.const 100000))
    (loop
      (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 16)))
      (br_if 0 (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))))
