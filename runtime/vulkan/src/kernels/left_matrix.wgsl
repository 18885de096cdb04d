// The left operand is a matrix.
fn left_at(p: Product, row: u32, i: u32) -> f32 {
    if row < p.rows && i < p.depth {
        return operand(left[p.left_start + row * p.left_row + i * p.left_column]);
    }
    return 0.0;
}
