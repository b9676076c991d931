//! Whose turn it is: smooth weighted round-robin, so that a heavy endpoint's turns are spread out.

use std::cell::RefCell;

/// Turns among endpoints, by weight. Endpoints of weight 0 never get one.
#[derive(Debug)]
pub(crate) struct RoundRobin {
    shares: RefCell<Vec<Share>>,
}

#[derive(Debug)]
struct Share {
    weight: i64,
    credit: i64,
}

impl RoundRobin {
    /// Turns among as many endpoints as there are weights.
    pub(crate) fn new(weights: impl Iterator<Item = u32>) -> Self {
        let shares = weights.map(|weight| Share { weight: i64::from(weight), credit: 0 }).collect();
        Self { shares: RefCell::new(shares) }
    }

    /// The endpoint whose turn it is; 0 if none has a weight.
    pub(crate) fn next(&self) -> usize {
        let mut shares = self.shares.borrow_mut();
        if shares.len() == 1 {
            return 0;
        }
        let total: i64 = shares.iter().map(|share| share.weight).sum();
        let mut best: Option<(usize, i64)> = None;
        for (index, share) in shares.iter_mut().enumerate().filter(|(_, share)| share.weight > 0) {
            share.credit += share.weight;
            if best.is_none_or(|(_, credit)| share.credit > credit) {
                best = Some((index, share.credit));
            }
        }
        let chosen = best.map_or(0, |(index, _)| index);
        if let Some(share) = shares.get_mut(chosen) {
            share.credit -= total;
        }
        chosen
    }

    /// An endpoint that is not among `tried`: the heaviest. `None` if none is left.
    pub(crate) fn other_than(&self, tried: &[usize]) -> Option<usize> {
        let shares = self.shares.borrow();
        let left = shares.iter().enumerate().filter(|(index, share)| share.weight > 0 && !tried.contains(index));
        left.max_by_key(|(_, share)| share.weight).map(|(index, _)| index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_turn_is_one_that_was_not_tried() {
        let turns = RoundRobin::new([3, 0, 1].into_iter());
        assert_eq!(turns.other_than(&[0]), Some(2));
        assert_eq!(turns.other_than(&[0, 2]), None);
    }

    #[test]
    fn turns_follow_the_weights_and_are_spread_out() {
        let turns = RoundRobin::new([3, 1, 0].into_iter());
        let order: Vec<usize> = (0..8).map(|_| turns.next()).collect();
        assert_eq!(order, [0, 0, 1, 0, 0, 0, 1, 0]);
    }
}
