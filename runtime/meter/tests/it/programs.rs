// Core modules without imports, and sequences of calls: (name, text, sequences).
[
    (
        "straight line and each trap",
        r#"(module
            (memory (export "memory") 1)
            (func (export "load") (param i32) (result i32) (i32.add (i32.load (local.get 0)) (i32.const 1)))
            (func (export "store") (param i32) (i32.store (local.get 0) (i32.const 7)))
            (func (export "div") (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))
            (func (export "rem") (param i64 i64) (result i64) (i64.rem_u (local.get 0) (local.get 1)))
            (func (export "trunc") (param f64) (result i32) (i32.trunc_f64_s (local.get 0)))
            (func (export "sat") (param f32) (result i64) (i64.trunc_sat_f32_s (local.get 0)))
            (func (export "stop") (unreachable))
            (func (export "late") (param i32) (result i32)
                (local i32)
                (local.set 1 (i32.load (local.get 0)))
                (if (i32.eqz (local.get 1)) (then (local.set 1 (i32.load offset=4 (local.get 0)))))
                (i32.div_u (local.get 1) (i32.load offset=8 (local.get 0)))))"#,
        &[
            &[("load", &[0]), ("store", &[16]), ("load", &[16]), ("load", &[65_533])],
            &[("store", &[0xffff_ffff])],
            &[("div", &[7, 2]), ("div", &[7, 0])],
            &[("div", &[0x8000_0000, 0xffff_ffff])],
            &[("rem", &[7, 2]), ("rem", &[7, 0])],
            &[("trunc", &[0x4008_0000_0000_0000]), ("trunc", &[0x7ff8_0000_0000_0000])],
            &[("trunc", &[0x43e0_0000_0000_0000])],
            &[("sat", &[0x7fc0_0000]), ("stop", &[])],
            &[("late", &[0])],
            &[("store", &[8]), ("late", &[0]), ("store", &[0]), ("late", &[0]), ("late", &[65_532])],
        ],
    ),
    (
        "loops, branches, tables of branches",
        r#"(module
            (memory (export "memory") 1)
            (func (export "sum") (param i32) (result i32) (local i32)
                (loop $l
                    (local.set 1 (i32.add (local.get 1) (local.get 0)))
                    (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
                (local.get 1))
            (func (export "break") (param i32) (result i32) (local i32)
                (block $out
                    (loop $l
                        (br_if $out (i32.ge_u (local.get 1) (local.get 0)))
                        (local.set 1 (i32.add (local.get 1) (i32.const 3)))
                        (br $l)))
                (i32.mul (local.get 1) (i32.const 5)))
            (func (export "switch") (param i32) (result i32)
                (block $d (block $c (block $b (block $a
                    (br_table $a $b $c $d (local.get 0)))
                    (return (i32.const 10)))
                    (i32.store (local.get 0) (i32.const 1))
                    (br $d))
                    (drop (i32.load (i32.const -4))))
                (i32.add (local.get 0) (i32.const 100)))
            (func (export "switch-values") (param i32) (result i32)
                (block $b (result i32) (block $a (result i32)
                    (i32.const 5) (local.get 0) (br_table $a $b 2 $a))
                    (i32.add (i32.const 1)))
                (i32.mul (i32.const 3)))
            (func (export "nest") (param i32) (result i32) (local i32)
                (block $a
                    (block $b
                        (block $c
                            (br_if $c (i32.eq (local.get 0) (i32.const 1)))
                            (local.set 1 (i32.const 1))
                            (br_if $a (i32.eq (local.get 0) (i32.const 2)))
                            (local.set 1 (i32.const 2)))
                        (local.set 1 (i32.add (local.get 1) (i32.const 10)))
                        (br_if $b (i32.eq (local.get 0) (i32.const 3)))
                        (block (local.set 1 (i32.add (local.get 1) (i32.const 20))))
                        (local.set 1 (i32.add (local.get 1) (i32.const 30))))
                    (local.set 1 (i32.add (local.get 1) (i32.const 40))))
                (local.get 1))
            (func (export "inner-loop") (param i32) (result i32) (local i32 i32)
                (loop $outer
                    (local.set 2 (i32.const 3))
                    (loop $inner
                        (local.set 1 (i32.add (local.get 1) (local.get 2)))
                        (if (i32.eq (local.get 1) (i32.const 40)) (then (br $outer)))
                        (br_if $inner (local.tee 2 (i32.sub (local.get 2) (i32.const 1)))))
                    (br_if $outer (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
                (local.get 1))
            (func (export "dead") (param i32) (result i32)
                (block $a
                    (if (local.get 0) (then (return (i32.const 1)) (drop (i32.const 2)) (block (br $a)))
                        (else (br $a) (loop (if (i32.const 1) (then (nop)) (else (unreachable)))))))
                (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 9)) (else (unreachable) (i32.add)))))"#,
        &[
            &[("sum", &[10]), ("sum", &[1]), ("break", &[20]), ("break", &[0])],
            &[("switch", &[0]), ("switch", &[1]), ("switch", &[3]), ("switch", &[9]), ("switch", &[2])],
            &[("switch-values", &[0]), ("switch-values", &[1]), ("switch-values", &[2]), ("switch-values", &[7])],
            &[("nest", &[0]), ("nest", &[1]), ("nest", &[2]), ("nest", &[3])],
            &[("inner-loop", &[8]), ("dead", &[0]), ("dead", &[1])],
        ],
    ),
    (
        "multi-value",
        r#"(module
            (func $swap (export "swap") (param i32 i64) (result i64 i32) (local.get 1) (local.get 0))
            (func $three (param i32) (result i32 i32 i32)
                (br_if 0 (local.get 0) (i32.const 2) (i32.const 3) (local.get 0))
                (drop) (drop) (drop)
                (i32.const 7) (i32.const 8) (i32.const 9))
            (func $early (param i32) (result i64 f64)
                (block (result i64 f64)
                    (i64.const 1) (f64.const 2)
                    (br_if 1 (local.get 0))
                    (br_if 0 (i32.eqz (local.get 0)))
                    (return)))
            (func (export "use") (param i32) (result i64)
                (local i32 i32 i32)
                (call $swap (local.get 0) (i64.const 5))
                (drop)
                (call $three (local.get 0))
                (local.set 1) (local.set 2) (local.set 3)
                (i64.extend_i32_s (i32.sub (local.get 1) (i32.mul (local.get 2) (local.get 3))))
                (i64.add)
                (call $early (local.get 0))
                (i64.trunc_f64_s) (i64.add) (i64.add))
            (func (export "loop-params") (param i32) (result i32) (local i32)
                (local.get 0) (i32.const 0)
                (loop $l (param i32 i32) (result i32)
                    (i32.add (i32.const 3))
                    (local.set 1)
                    (i32.sub (i32.const 1))
                    (local.tee 0)
                    (local.get 1)
                    (br_if $l (local.get 0))
                    (i32.sub))))"#,
        &[&[("use", &[0]), ("use", &[3])], &[("loop-params", &[4])]],
    ),
    (
        "calls of leaves, of chains, in circles",
        r#"(module
            (memory 1)
            (func $leaf (param i32) (result i32)
                (if (result i32) (local.get 0) (then (i32.mul (local.get 0) (i32.const 3))) (else (i32.const 4))))
            (func $bad-leaf (param i32) (result i32) (i32.load (local.get 0)))
            (func $big-leaf (param i32) (result i32)
                (i32.add (i32.add (i32.add (i32.add (i32.add (i32.add (i32.add (i32.add
                (i32.div_u (i32.div_u (i32.div_u (i32.div_u (i32.div_u (i32.div_u (local.get 0)
                (i32.const 1)) (i32.const 1)) (i32.const 1)) (i32.const 1)) (i32.const 1)) (i32.const 1))
                (local.get 0)) (local.get 0)) (local.get 0)) (local.get 0))
                (local.get 0)) (local.get 0)) (local.get 0)) (i32.const 1)))
            (func $middle (param i32) (result i32)
                (i32.add (call $leaf (local.get 0)) (call $big-leaf (call $bad-leaf (local.get 0)))))
            (func (export "chain") (param i32) (result i32)
                (i32.add (call $middle (local.get 0)) (call $middle (i32.add (local.get 0) (i32.const 4)))))
            (func $even (param i32) (result i32)
                (if (result i32) (local.get 0)
                    (then (call $odd (i32.sub (local.get 0) (i32.const 1)))) (else (i32.const 1))))
            (func $odd (param i32) (result i32)
                (if (result i32) (local.get 0)
                    (then (call $even (i32.sub (local.get 0) (i32.const 1)))) (else (call $leaf (i32.const 0)))))
            (func (export "even") (param i32) (result i32) (call $even (local.get 0)))
            (func $fib (export "fib") (param i32) (result i32)
                (if (i32.lt_u (local.get 0) (i32.const 2)) (then (return (local.get 0))))
                (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1)))
                         (call $fib (i32.sub (local.get 0) (i32.const 2)))))
            (func $deep (param i32) (result i32) (local i64 i64 i64 i64)
                (i32.add (call $middle (i32.const 0)) (call $deep (i32.add (local.get 0) (i32.const 1)))))
            (func (export "overflow") (result i32) (call $deep (i32.const 0)))
            (func (export "nothing")))"#,
        &[
            &[("chain", &[0]), ("chain", &[65_528]), ("chain", &[65_532])],
            &[("even", &[0]), ("even", &[1]), ("even", &[30])],
            &[("even", &[100_000])],
            &[("fib", &[12]), ("nothing", &[])],
            &[("nothing", &[]), ("overflow", &[])],
        ],
    ),
    (
        "tail calls",
        r#"(module
            (type $step (func (param i32 i32) (result i32)))
            (table funcref (elem $count $finish $trap))
            (func $tiny (param i32) (result i32) (i32.div_u (i32.const 100) (local.get 0)))
            (func $count (type $step)
                (if (i32.eqz (local.get 0)) (then (return_call $done (local.get 1))))
                (return_call $count (i32.sub (local.get 0) (i32.const 1)) (i32.add (local.get 1) (i32.const 2))))
            (func $done (param i32) (result i32) (return_call $tiny (local.get 0)))
            (func $finish (type $step) (i32.sub (local.get 0) (local.get 1)))
            (func $trap (type $step) (unreachable))
            (func (export "count") (param i32) (result i32) (return_call $count (local.get 0) (i32.const 0)))
            (func (export "through") (param i32 i32) (result i32)
                (return_call_indirect (type $step) (local.get 1) (i32.const 1) (local.get 0)))
            (func $bounce (export "bounce") (param i32) (result i32)
                (if (i32.eqz (local.get 0)) (then (return_call $tiny (local.get 0))))
                (call $bounce (i32.sub (local.get 0) (i32.const 1)))))"#,
        &[
            &[("count", &[5]), ("count", &[100_000]), ("count", &[0])],
            &[("through", &[0, 30]), ("through", &[1, 30]), ("through", &[2, 30])],
            &[("through", &[3, 30])],
            &[("bounce", &[5])],
            &[("bounce", &[100_000])],
        ],
    ),
    (
        "tables and references",
        r#"(module
            (type $unary (func (param i32) (result i32)))
            (table $t 4 8 funcref)
            (table $u 3 funcref)
            (global $g (mut funcref) (ref.func $double))
            (global $n (mut i32) (i32.const 3))
            (elem (table $t) (i32.const 0) func $double $square)
            (elem $more func $negate $other)
            (elem declare func $held)
            (func $double (type $unary) (i32.shl (local.get 0) (i32.const 1)))
            (func $square (type $unary) (i32.mul (local.get 0) (local.get 0)))
            (func $negate (type $unary) (i32.sub (i32.const 0) (local.get 0)))
            (func $held (type $unary) (i32.add (local.get 0) (global.get $n)))
            (func $other (param i64) (result i64) (local.get 0))
            (func (export "apply") (param i32 i32) (result i32)
                (call_indirect $t (type $unary) (local.get 1) (local.get 0)))
            (func (export "init") (param i32 i32 i32)
                (table.init $t $more (local.get 0) (local.get 1) (local.get 2)))
            (func (export "copy") (param i32 i32 i32) (table.copy $t $t (local.get 0) (local.get 1) (local.get 2)))
            (func (export "fill") (param i32 i32) (table.fill $t (local.get 0) (ref.func $held) (local.get 1)))
            (func (export "grow") (param i32) (result i32) (table.grow $t (global.get $g) (local.get 0)))
            (func (export "set") (param i32)
                (global.set $n (i32.add (global.get $n) (i32.const 1)))
                (table.set $u (local.get 0) (ref.func $held)))
            (func (export "get") (param i32) (result i32)
                (ref.is_null (table.get $u (local.get 0))) (i32.add (table.size $t)))
            (func (export "drop") (elem.drop $more)))"#,
        &[
            &[("apply", &[0, 21]), ("apply", &[1, 9]), ("apply", &[2, 1])],
            &[("apply", &[9, 1])],
            &[("init", &[2, 0, 2]), ("apply", &[2, 5]), ("apply", &[3, 5])],
            &[("init", &[3, 0, 2])],
            &[("drop", &[]), ("init", &[0, 0, 0]), ("init", &[0, 0, 1])],
            &[("fill", &[1, 3]), ("apply", &[3, 5]), ("copy", &[0, 1, 2]), ("apply", &[0, 5]), ("copy", &[3, 0, 2])],
            &[("grow", &[2]), ("apply", &[5, 4]), ("grow", &[100]), ("grow", &[0]), ("fill", &[0, 7])],
            &[("set", &[2]), ("get", &[2]), ("get", &[0]), ("set", &[3])],
            &[("get", &[0xffff_ffff])],
        ],
    ),
    (
        "bulk memory and growth",
        r#"(module
            (memory 1 4)
            (data $d "some bytes that a program carries about with it, more than eight of them")
            (data (i32.const 100) "and some that are there from the start")
            (func (export "fill") (param i32 i32 i32) (result i32)
                (memory.fill (local.get 0) (local.get 1) (local.get 2)) (i32.load (local.get 0)))
            (func (export "copy") (param i32 i32 i32) (result i32)
                (i32.const 5)
                (memory.copy (local.get 0) (local.get 1) (local.get 2))
                (i32.add (i32.load8_u (local.get 0))))
            (func (export "init") (param i32 i32 i32) (memory.init $d (local.get 0) (local.get 1) (local.get 2)))
            (func (export "drop") (data.drop $d))
            (func (export "grow") (param i32) (result i32)
                (i32.add (memory.grow (local.get 0)) (i32.mul (memory.size) (i32.const 1000))))
            (func (export "grow-in-loop") (result i32) (local i32)
                (loop $l
                    (local.set 0 (i32.add (local.get 0) (i32.const 1)))
                    (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
                (i32.load (i32.const 262_140))))"#,
        &[
            &[("fill", &[8, 0x5a, 1_000]), ("copy", &[2_000, 8, 500]), ("copy", &[8, 9, 0])],
            &[("fill", &[65_000, 1, 536]), ("fill", &[65_000, 1, 537])],
            &[("copy", &[0, 100, 0xffff_fff0])],
            &[("init", &[0, 3, 20]), ("copy", &[1, 0, 8]), ("drop", &[]), ("init", &[0, 0, 1])],
            &[("grow", &[1]), ("grow", &[0]), ("grow", &[100]), ("fill", &[130_000, 1, 1_000]), ("grow", &[0xffff_ffff])],
            &[("grow-in-loop", &[])],
        ],
    ),
    (
        "a start function",
        r#"(module
            (memory 1)
            (global $g (mut i32) (i32.const 1))
            (func $start (local i32)
                (loop $l
                    (global.set $g (i32.mul (global.get $g) (i32.const 3)))
                    (br_if $l (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 20)))))
            (start $start)
            (func (export "get") (result i32) (global.get $g)))"#,
        &[&[("get", &[])]],
    ),
    (
        "a start function that traps",
        r#"(module
            (memory 1)
            (func $start (drop (i32.load (i32.const 65_536))))
            (start $start)
            (func (export "get") (result i32) (i32.const 1)))"#,
        &[&[("get", &[])]],
    ),
    (
        "vectors",
        r#"(module
            (memory 1)
            (func (export "dot") (param i32 i32) (result i32) (local v128)
                (loop $l
                    (local.set 2 (i32x4.add (local.get 2)
                        (i32x4.dot_i16x8_s (v128.load (local.get 0)) (v128.load offset=64 (local.get 0)))))
                    (local.set 0 (i32.add (local.get 0) (i32.const 16)))
                    (br_if $l (i32.lt_u (local.get 0) (local.get 1))))
                (v128.store8_lane 3 (i32.const 0) (local.get 2))
                (v128.store (local.get 0) (f64x2.sqrt (f32x4.div (local.get 2) (local.get 2))))
                (i32x4.extract_lane 0 (v128.load32_splat (i32.const 0)))))"#,
        &[&[("dot", &[0, 64])], &[("dot", &[65_400, 65_500])]],
    ),
    (
        "an endless loop",
        r#"(module
            (func (export "spin") (loop $l (br $l)))
            (func (export "spin-with-block") (param i32)
                (loop $l (block $b (br_if $b (local.get 0)) (br $l)) (br $l))))"#,
        &[],
    ),
]
