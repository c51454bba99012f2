//! Owns how many deliveries per second a subscription gets (`throttlePolicy`).
//! Refuses to know time: every question carries it.

use std::collections::HashMap;

/// Counts deliveries in the current second. Lost at a restart, which at worst lets one second's worth pass.
#[derive(Debug, Default)]
pub struct Throttle {
    seconds: HashMap<String, (i64, u32)>,
}

/// More entries than this are swept of seconds gone by.
const SWEEP_AT: usize = 1024;

impl Throttle {
    /// Lets a delivery pass, or says how many milliseconds to wait.
    pub fn admit(&mut self, key: &str, per_second: u32, now_ms: i64) -> Result<(), u64> {
        let second = now_ms.div_euclid(1000);
        if self.seconds.len() >= SWEEP_AT {
            self.seconds.retain(|_, (at, _)| *at >= second);
        }
        let entry = self.seconds.entry(key.to_owned()).or_insert((second, 0));
        if entry.0 != second {
            *entry = (second, 0);
        }
        if entry.1 < per_second {
            entry.1 += 1;
            return Ok(());
        }
        Err((1000 - now_ms.rem_euclid(1000)).unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_admits_so_many() {
        let mut throttle = Throttle::default();
        assert_eq!(throttle.admit("a", 2, 5_100), Ok(()));
        assert_eq!(throttle.admit("a", 2, 5_200), Ok(()));
        assert_eq!(throttle.admit("a", 2, 5_300), Err(700));
        assert_eq!(throttle.admit("b", 2, 5_300), Ok(()));
        assert_eq!(throttle.admit("a", 2, 6_000), Ok(()));
        for n in 0..5_000 {
            assert_eq!(throttle.admit(&n.to_string(), 1, n * 10), Ok(()));
        }
        assert!(throttle.seconds.len() <= SWEEP_AT, "old seconds go");
    }
}
