//! The rule `exact`: each column keeps exactly its share of largest magnitudes.

/// Zeroes all but the `keep` largest magnitudes; among equal ones those with the lower index stay.
pub(super) fn keep_largest(column: &mut [f32], keep: usize, scratch: &mut Vec<f32>) {
    if keep >= column.len() {
        return;
    }
    scratch.clear();
    scratch.extend(column.iter().map(|w| w.abs()));
    let drop = column.len() - keep;
    // The smallest magnitude that stays; `surplus` of the weights equal to it must go.
    let (smaller, &mut smallest_kept, _) = scratch.select_nth_unstable_by(drop, f32::total_cmp);
    let mut surplus = smaller.iter().filter(|&&w| w == smallest_kept).count();
    for weight in column.iter_mut().rev() {
        let magnitude = weight.abs();
        if magnitude < smallest_kept {
            *weight = 0.0;
        } else if magnitude == smallest_kept && surplus > 0 {
            *weight = 0.0;
            surplus -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_keep_the_lower_index() {
        let mut column = [0.5, -0.5, 0.25, 0.5];
        keep_largest(&mut column, 2, &mut Vec::new());
        assert_eq!(column, [0.5, -0.5, 0.0, 0.0]);
    }
}
