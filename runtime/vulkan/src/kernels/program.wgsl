// result[i] = what a program's lines make of the operands at i. The rules, the step and what lines call are written in
// front of this; program.rs writes programs. All invocations are at the same line, so that nothing diverges.

@group(0) @binding(0) var<storage, read> left: array<u32>;
@group(0) @binding(1) var<storage, read> right: array<u32>;
@group(0) @binding(2) var<storage, read> program: array<u32>;
@group(0) @binding(3) var<storage, read_write> result: array<u32>;

const LINES = 5u;
const REGISTERS = 63u;

// The operand that is described at a place, at an index: from the innermost axis outwards.
fn operand_at(place: u32, index: u32) -> u32 {
    var at = program[place + 1u];
    var rest = index;
    for (var axis = 0u; axis < program[place + 2u]; axis++) {
        let word = program[place + 3u + 2u * axis];
        let step = program[place + 4u + 2u * axis];
        // A length from 2^31 on: not a step along the axis, but a table of what each of its places adds.
        let length = word & 0x7fffffffu;
        let index = rest % length;
        at += select(index * step, program[step + index], word != length);
        rest /= length;
    }
    switch program[place] {
        case 0u: { return left[at]; }
        case 1u: { return right[at]; }
        default: { return program[at]; }
    }
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = id.y * groups.x * 64u + id.x;
    if index >= program[1] {
        return;
    }
    var registers: array<u32, 64>;
    var found = 0u;
    for (var line = 0u; line < program[0]; line++) {
        let at = LINES + 4u * line;
        let word = program[at];
        // A word from 2^31 on names a constant of the program.
        let names = vec3(program[at + 1u], program[at + 2u], program[at + 3u]);
        let constants = vec3(
            program[names.x & 0x7fffffffu], program[names.y & 0x7fffffffu], program[names.z & 0x7fffffffu],
        );
        let kept = vec3(registers[names.x & REGISTERS], registers[names.y & REGISTERS], registers[names.z & REGISTERS]);
        let operands = select(kept, constants, names >= vec3(0x80000000u));
        let a = bitcast<f32>(operands.x);
        let b = bitcast<f32>(operands.y);
        let c = bitcast<f32>(operands.z);
        switch word & 0xffu {
            case 0u: { found = bitcast<u32>(element(operand_at(names.x, index))); }
            case 1u: { found = bitcast<u32>(a + b); }
            case 2u: { found = bitcast<u32>(a - b); }
            case 3u: { found = bitcast<u32>(a * b); }
            case 4u: { found = bitcast<u32>(quotient(a, b)); }
            case 5u: { found = bitcast<u32>(checked_step(a, b, c)); }
            case 6u: { found = bitcast<u32>(root(a)); }
            case 7u: { found = bitcast<u32>(floored(a)); }
            case 8u: { found = bitcast<u32>(ceiled(a)); }
            case 9u: { found = bitcast<u32>(rounded(a)); }
            case 10u: { found = size(a); }
            case 11u: { found = operands.x ^ 0x80000000u; }
            case 12u: { found = bitcast<u32>(with_sign_of(a, b)); }
            case 13u: { found = select(operands.x, operands.y, a < b); }
            case 14u: { found = select(operands.x, operands.y, a > b); }
            case 15u: { found = select(0u, 1u, a < b); }
            case 16u: { found = select(operands.z, operands.y, operands.x != 0u); }
            case 17u: { found = bitcast<u32>(times_power(a, b)); }
            case 18u: { found = bitcast<u32>(mantissa(a)); }
            case 19u: { found = bitcast<u32>(exponent(a)); }
            case 20u: { found = bitcast<u32>(element(operands.x)); }
            case 21u: { found = bitcast<u32>(operand(operands.x)); }
            case 22u: { found = canonical(a); }
            case 23u: { found = stored(a); }
            case 24u: { found = bitcast<u32>(greater(a, b)); }
            case 25u: { found = bitcast<u32>(lesser(a, b)); }
            case 26u: { found = bitcast<u32>(remainder(a, b)); }
            case 27u: { found = bitcast<u32>(sine(a)); }
            case 28u: { found = bitcast<u32>(cosine(a)); }
            case 29u: { found = bitcast<u32>(tangent(a)); }
            case 31u: { found = bitcast<u32>(f32(bitcast<i32>(operand_at(names.x, index)))); }
            default: { found = operand_at(names.x, index); }
        }
        registers[(word >> 8u) & REGISTERS] = found;
    }
    // Rows of so many results, and the way from one to the next.
    result[program[4] + index / program[2] * program[3] + index % program[2]] = found;
}
