//! The kernels of `cargo bench -p poai-meter`: small programs of known kinds, each of which answers a number that
//! depends on all of its work. `build.sh` compiles them to `kernels.wasm`.
#![no_std]
#![expect(clippy::many_single_char_names, reason = "numbers in formulas")]

use core::hint::black_box;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

/// Memory that every kernel may use from its beginning.
const CELLS: usize = 1 << 18;
static mut MEMORY: [u64; CELLS] = [0; CELLS];

fn memory<T: Copy>() -> &'static mut [T] {
    let bytes = CELLS * size_of::<u64>();
    // SAFETY: there is one thread, each kernel borrows the memory once, and any bits are a number.
    unsafe { core::slice::from_raw_parts_mut((&raw mut MEMORY).cast::<T>(), bytes / size_of::<T>()) }
}

struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

// Integers

#[unsafe(no_mangle)]
extern "C" fn crc32(rounds: i32) -> i64 {
    let data = &mut memory::<u8>()[..64 << 10];
    let mut noise = Noise(7);
    data.iter_mut().for_each(|byte| *byte = noise.next() as u8);
    let mut table = [0u32; 256];
    for (index, entry) in table.iter_mut().enumerate() {
        *entry = (0..8).fold(index as u32, |c, _| if c & 1 == 1 { (c >> 1) ^ 0xedb8_8320 } else { c >> 1 });
    }
    let mut crc = !0u32;
    for _ in 0..rounds {
        for byte in data.iter() {
            crc = table[((crc ^ u32::from(*byte)) & 255) as usize] ^ (crc >> 8);
        }
    }
    i64::from(!crc)
}

#[unsafe(no_mangle)]
extern "C" fn sha256(blocks: i32) -> i64 {
    const K: [u32; 64] = [
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
        0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
        0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
        0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
        0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
        0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
        0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
        0xc67178f2,
    ];
    let mut state = [
        0x6a09e667u32, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
    ];
    let mut noise = Noise(3);
    for _ in 0..blocks {
        let mut w = [0u32; 64];
        w[..16].iter_mut().for_each(|word| *word = noise.next() as u32);
        for i in 16..64 {
            let s0 = w[i - 15].rotate_right(7) ^ w[i - 15].rotate_right(18) ^ (w[i - 15] >> 3);
            let s1 = w[i - 2].rotate_right(17) ^ w[i - 2].rotate_right(19) ^ (w[i - 2] >> 10);
            w[i] = w[i - 16].wrapping_add(s0).wrapping_add(w[i - 7]).wrapping_add(s1);
        }
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = state;
        for i in 0..64 {
            let s1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
            let t1 = h.wrapping_add(s1).wrapping_add((e & f) ^ (!e & g)).wrapping_add(K[i]).wrapping_add(w[i]);
            let s0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
            let t2 = s0.wrapping_add((a & b) ^ (a & c) ^ (b & c));
            (h, g, f, e, d, c, b, a) = (g, f, e, d.wrapping_add(t1), c, b, a, t1.wrapping_add(t2));
        }
        for (word, add) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
            *word = word.wrapping_add(add);
        }
    }
    i64::from(state[0]) << 32 | i64::from(state[7])
}

#[unsafe(no_mangle)]
extern "C" fn sieve(limit: i32) -> i64 {
    let composite = &mut memory::<u8>()[..limit as usize];
    composite.fill(0);
    let mut count = 0;
    for n in 2..composite.len() {
        if composite[n] == 0 {
            count += 1;
            let mut multiple = n * 2;
            while multiple < composite.len() {
                composite[multiple] = 1;
                multiple += n;
            }
        }
    }
    count
}

#[unsafe(no_mangle)]
extern "C" fn fib(n: i32) -> i64 {
    #[inline(never)]
    fn fib(n: u32) -> u64 {
        if n < 2 { u64::from(n) } else { fib(black_box(n - 1)) + fib(n - 2) }
    }
    fib(n as u32) as i64
}

#[unsafe(no_mangle)]
extern "C" fn sort(length: i32) -> i64 {
    fn quicksort(cells: &mut [u32]) {
        if cells.len() < 12 {
            for i in 1..cells.len() {
                let mut j = i;
                while j > 0 && cells[j - 1] > cells[j] {
                    cells.swap(j - 1, j);
                    j -= 1;
                }
            }
            return;
        }
        let pivot = cells[cells.len() / 2];
        let (mut low, mut high) = (0, cells.len() - 1);
        loop {
            while cells[low] < pivot {
                low += 1;
            }
            while cells[high] > pivot {
                high -= 1;
            }
            if low >= high {
                break;
            }
            cells.swap(low, high);
            low += 1;
            high -= 1;
        }
        let (left, right) = cells.split_at_mut(low);
        quicksort(left);
        quicksort(right);
    }
    let cells = &mut memory::<u32>()[..length as usize];
    let mut noise = Noise(11);
    cells.iter_mut().for_each(|cell| *cell = noise.next() as u32);
    quicksort(cells);
    cells.iter().enumerate().map(|(i, cell)| i as i64 * i64::from(*cell)).fold(0, i64::wrapping_add)
}

#[unsafe(no_mangle)]
extern "C" fn matmul_i32(n: i32) -> i64 {
    let n = n as usize;
    let (a, rest) = memory::<i32>().split_at_mut(n * n);
    let (b, c) = rest.split_at_mut(n * n);
    let mut noise = Noise(5);
    a.iter_mut().chain(b.iter_mut()).for_each(|cell| *cell = noise.next() as i32 & 0xff);
    for i in 0..n {
        for j in 0..n {
            c[i * n + j] = (0..n).fold(0i32, |sum, k| sum.wrapping_add(a[i * n + k].wrapping_mul(b[k * n + j])));
        }
    }
    c[..n * n].iter().fold(0, |sum, cell| sum * 31 + i64::from(*cell))
}

#[unsafe(no_mangle)]
extern "C" fn hash_table(operations: i32) -> i64 {
    let slots = &mut memory::<u64>()[..1 << 16];
    slots.fill(0);
    let mut noise = Noise(13);
    let mut found = 0;
    for _ in 0..operations {
        let key = (noise.next() & 0x7fff) + 1;
        let mut at = (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as usize;
        while slots[at] != 0 && slots[at] != key {
            at = (at + 1) & (slots.len() - 1);
        }
        if slots[at] == key {
            found += 1;
        }
        slots[at] = key;
    }
    found
}

#[unsafe(no_mangle)]
extern "C" fn interpreter(rounds: i32) -> i64 {
    // A register machine that counts down and mixes.
    let program: [u32; 9] = [0x0001, 0x1120, 0x2213, 0x3301, 0x4132, 0x5223, 0x6102, 0x7000, 0x8000];
    let program = black_box(program);
    let mut registers = [rounds as u32, 1, 2, 3];
    let mut pc = 0;
    loop {
        let code = program[pc];
        let (a, b, c) = ((code >> 8 & 3) as usize, (code >> 4 & 3) as usize, (code & 3) as usize);
        pc += 1;
        match code >> 12 {
            0 => registers[1] = registers[1].wrapping_add(c as u32),
            1 => registers[a] = registers[b].wrapping_mul(0x9e37_79b1).wrapping_add(registers[c]),
            2 => registers[a] ^= registers[b] >> c,
            3 => registers[a] = registers[a].rotate_left(c as u32 + 5),
            4 => registers[a] = registers[b] & registers[c] | 1,
            5 => registers[a] = registers[a].wrapping_sub(registers[c]),
            6 => registers[a] = registers[b].wrapping_add(registers[c]),
            7 => {
                registers[0] -= 1;
                if registers[0] != 0 {
                    pc = 0;
                }
            }
            _ => return i64::from(registers[1]) << 32 | i64::from(registers[2] ^ registers[3]),
        }
    }
}

#[unsafe(no_mangle)]
extern "C" fn queens(n: i32) -> i64 {
    fn place(all: u32, columns: u32, left: u32, right: u32) -> i64 {
        if columns == all {
            return 1;
        }
        let mut free = all & !(columns | left | right);
        let mut count = 0;
        while free != 0 {
            let bit = free & free.wrapping_neg();
            free ^= bit;
            count += place(all, columns | bit, (left | bit) << 1, (right | bit) >> 1);
        }
        count
    }
    place((1 << n) - 1, 0, 0, 0)
}

#[unsafe(no_mangle)]
extern "C" fn words(rounds: i32) -> i64 {
    let text = &mut memory::<u8>()[..32 << 10];
    let mut noise = Noise(17);
    for byte in text.iter_mut() {
        let n = noise.next() % 32;
        *byte = if n < 26 { b'a' + n as u8 } else { b' ' };
    }
    let (mut words, mut hash) = (0i64, 0u32);
    for _ in 0..rounds {
        let mut in_word = false;
        for &byte in text.iter() {
            if byte.is_ascii_alphabetic() {
                hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
                words += i64::from(!in_word);
                in_word = true;
            } else {
                in_word = false;
            }
        }
    }
    words << 32 | i64::from(hash)
}

#[unsafe(no_mangle)]
extern "C" fn lists(rounds: i32) -> i64 {
    // Linked cells in a random order: a chase of pointers.
    let cells = &mut memory::<u32>()[..1 << 14];
    let count = cells.len() as u32;
    (0..count).zip(cells.iter_mut()).for_each(|(i, cell)| *cell = i);
    let mut noise = Noise(19);
    for i in (1..cells.len()).rev() {
        // Sattolo's shuffle makes one circle.
        cells.swap(i, noise.next() as usize % i);
    }
    let (mut at, mut sum) = (0u32, 0i64);
    for i in 0..rounds as i64 {
        at = cells[at as usize];
        sum = sum.wrapping_add(i ^ i64::from(at));
    }
    sum
}

// Floating point

#[unsafe(no_mangle)]
extern "C" fn nbody(steps: i32) -> f64 {
    let mut p = [[0.0f64, 0.0, 0.0], [4.84, -1.16, -0.10], [8.34, 4.12, -0.4], [12.89, -15.11, -0.22], [15.37, -25.9, 0.179]];
    let mut v = [[0.0f64, 0.0, 0.0], [0.6, 2.81, -0.02], [-1.01, 1.82, 0.008], [1.08, 0.86, -0.01], [0.97, 0.59, -0.03]];
    let m = [39.47f64, 0.037, 0.011, 0.0017, 0.002];
    for _ in 0..steps {
        for i in 0..5 {
            for j in i + 1..5 {
                let d = [p[i][0] - p[j][0], p[i][1] - p[j][1], p[i][2] - p[j][2]];
                let square = d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
                let magnitude = 0.01 / (square * sqrt(square));
                for k in 0..3 {
                    v[i][k] -= d[k] * m[j] * magnitude;
                    v[j][k] += d[k] * m[i] * magnitude;
                }
            }
        }
        for (p, v) in p.iter_mut().zip(&v) {
            (0..3).for_each(|k| p[k] += 0.01 * v[k]);
        }
    }
    p[0][0] + v[4][2]
}

fn sqrt(x: f64) -> f64 {
    use core::arch::wasm32::{f64x2_extract_lane, f64x2_splat, f64x2_sqrt};
    f64x2_extract_lane::<0>(f64x2_sqrt(f64x2_splat(x)))
}

#[unsafe(no_mangle)]
extern "C" fn matmul_f32(n: i32) -> f64 {
    let n = n as usize;
    let (a, rest) = memory::<f32>().split_at_mut(n * n);
    let (b, c) = rest.split_at_mut(n * n);
    let mut noise = Noise(23);
    a.iter_mut().chain(b.iter_mut()).for_each(|cell| *cell = noise.unit() as f32 - 0.5);
    for i in 0..n {
        for j in 0..n {
            c[i * n + j] = (0..n).fold(0.0f32, |sum, k| sum + a[i * n + k] * b[k * n + j]);
        }
    }
    c[..n * n].iter().fold(0.0, |sum, cell| sum * 0.9 + f64::from(*cell))
}

#[unsafe(no_mangle)]
extern "C" fn mandelbrot(side: i32) -> f64 {
    let mut inside = 0.0;
    for y in 0..side {
        for x in 0..side {
            let (cr, ci) = (f64::from(x) * 3.0 / f64::from(side) - 2.0, f64::from(y) * 2.0 / f64::from(side) - 1.0);
            let (mut zr, mut zi, mut n) = (0.0, 0.0, 0);
            while n < 60 && zr * zr + zi * zi < 4.0 {
                (zr, zi) = (zr * zr - zi * zi + cr, 2.0 * zr * zi + ci);
                n += 1;
            }
            inside += f64::from(n);
        }
    }
    inside
}

#[unsafe(no_mangle)]
extern "C" fn spectral_norm(n: i32) -> f64 {
    fn entry(i: usize, j: usize) -> f64 {
        1.0 / (((i + j) * (i + j + 1) / 2 + i + 1) as f64)
    }
    let n = n as usize;
    let (u, v) = memory::<f64>().split_at_mut(n);
    u.fill(1.0);
    for _ in 0..4 {
        for i in 0..n {
            v[i] = (0..n).map(|j| entry(i, j) * u[j]).sum();
        }
        for i in 0..n {
            u[i] = (0..n).map(|j| entry(j, i) * v[j]).sum();
        }
    }
    u.iter().zip(&v[..n]).map(|(u, v)| u * v).sum()
}

#[unsafe(no_mangle)]
extern "C" fn fft(rounds: i32) -> f64 {
    const N: usize = 1024;
    let (re, rest) = memory::<f64>().split_at_mut(N);
    let im = &mut rest[..N];
    let mut noise = Noise(29);
    re.iter_mut().for_each(|x| *x = noise.unit());
    im.fill(0.0);
    for _ in 0..rounds {
        let mut half = N / 2;
        while half > 0 {
            // A rotation by a fixed step, instead of sines.
            let (step_re, step_im) = (0.999_981_175_282_601, 0.006_135_884_649_154);
            for start in (0..N).step_by(half * 2) {
                let (mut wr, mut wi) = (1.0, 0.0);
                for i in start..start + half {
                    let (dr, di) = (re[i] - re[i + half], im[i] - im[i + half]);
                    re[i] = (re[i] + re[i + half]) * 0.5;
                    im[i] = (im[i] + im[i + half]) * 0.5;
                    re[i + half] = dr * wr - di * wi;
                    im[i + half] = dr * wi + di * wr;
                    (wr, wi) = (wr * step_re - wi * step_im, wr * step_im + wi * step_re);
                }
            }
            half /= 2;
        }
    }
    re[1] + im[2]
}

#[unsafe(no_mangle)]
extern "C" fn softmax(rounds: i32) -> f64 {
    let x = &mut memory::<f32>()[..4_096];
    let mut noise = Noise(31);
    x.iter_mut().for_each(|x| *x = noise.unit() as f32 * 8.0 - 4.0);
    let mut total = 0.0;
    for _ in 0..rounds {
        let greatest = x.iter().fold(f32::MIN, |a, b| if *b > a { *b } else { a });
        let mut sum = 0.0;
        for x in x.iter_mut() {
            let t = (*x - greatest) * 0.125;
            let mut e = 1.0 + t * (1.0 + t * (0.5 + t * (0.166_666_67 + t * 0.041_666_668)));
            e *= e;
            e *= e;
            e *= e;
            *x = e;
            sum += e;
        }
        for x in x.iter_mut() {
            *x = *x / sum * 8.0 + 0.25;
        }
        total += f64::from(sum);
    }
    total
}

#[unsafe(no_mangle)]
extern "C" fn dot_simd(rounds: i32) -> f64 {
    use core::arch::wasm32::{f32x4_add, f32x4_extract_lane, f32x4_mul, f32x4_splat, v128, v128_load};
    let cells = &mut memory::<f32>()[..16_384];
    let mut noise = Noise(37);
    cells.iter_mut().for_each(|x| *x = noise.unit() as f32 - 0.5);
    let (a, b) = cells.split_at(8_192);
    let mut sums = [f32x4_splat(0.0); 4];
    for _ in 0..rounds {
        for (a, b) in a.chunks_exact(16).zip(b.chunks_exact(16)) {
            for lane in 0..4 {
                // SAFETY: sixteen floats are four vectors.
                let (x, y) = unsafe {
                    (
                        v128_load(a.as_ptr().add(lane * 4).cast::<v128>()),
                        v128_load(b.as_ptr().add(lane * 4).cast::<v128>()),
                    )
                };
                sums[lane] = f32x4_add(sums[lane], f32x4_mul(x, y));
            }
        }
    }
    let sum = f32x4_add(f32x4_add(sums[0], sums[1]), f32x4_add(sums[2], sums[3]));
    f64::from(f32x4_extract_lane::<0>(sum) + f32x4_extract_lane::<3>(sum))
}
