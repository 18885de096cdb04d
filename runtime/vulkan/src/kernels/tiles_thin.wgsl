
// Products of few rows, or many products of few columns, which would leave most of a tile empty: an invocation has one
// column of four rows. Neighbours have neighbouring columns, or neighbouring products: they read neighbouring words.

const PRODUCTS = 8u; // the bits of flags from which on the products are counted, if they lie across

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) place: vec3<u32>) {
    let products = terms[7] >> PRODUCTS;
    let across = group.x * 64u + place.x;
    let index = select(group.z, across, products != 0u);
    let column = select(across, group.z, products != 0u);
    let row = group.y * 4u;
    if column >= terms[2] || (products != 0u && index >= products) {
        return;
    }
    let p = product(index);
    if p.rows - row == 1u {
        var sum = 0.0;
        for (var i = 0u; i < p.depth; i++) {
            sum = step(left_at(p, row, i), right_at(p, i, column), sum);
        }
        store(p, index, row, column, sum);
        return;
    }
    var sums = vec4(0.0);
    for (var i = 0u; i < p.depth; i++) {
        let numbers =
            vec4(left_at(p, row, i), left_at(p, row + 1u, i), left_at(p, row + 2u, i), left_at(p, row + 3u, i));
        sums = step_row(right_at(p, i, column), numbers, sums);
    }
    store(p, index, row, column, sums.x);
    store(p, index, row + 1u, column, sums.y);
    store(p, index, row + 2u, column, sums.z);
    store(p, index, row + 3u, column, sums.w);
}
