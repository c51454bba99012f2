//! Owns when a failed delivery is tried again: SNS's four phases as a pure function of the attempt.
//! Refuses to know time, what is delivered and why it failed.

use serde::{Deserialize, Serialize};

/// How delays grow in the back-off phase. AWS names the four curves without formulas; all of these rise
/// from the least to the greatest delay, ever more steeply in this order: linear, arithmetic, geometric,
/// exponential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backoff {
    /// Equal steps (AWS's default).
    #[default]
    Linear,
    /// Steps that grow by a constant.
    Arithmetic,
    /// A constant ratio between neighbours.
    Geometric,
    /// Doubling.
    Exponential,
}

/// A retry policy under AWS's names; delays in seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct RetryPolicy {
    /// Least delay, seconds, 1..=`max_delay_target`.
    pub min_delay_target: u32,
    /// Greatest delay, seconds, at most 3600.
    pub max_delay_target: u32,
    /// Tries after the first one, all phases together, at most 100.
    pub num_retries: u32,
    /// Post-back-off tries, each after the greatest delay.
    pub num_max_delay_retries: u32,
    /// Immediate tries.
    pub num_no_delay_retries: u32,
    /// Pre-back-off tries, each after the least delay.
    pub num_min_delay_retries: u32,
    /// Curve of the back-off phase.
    pub backoff_function: Backoff,
}

impl Default for RetryPolicy {
    /// AWS's default for HTTP: three tries, 20 seconds apart.
    fn default() -> Self {
        Self {
            min_delay_target: 20,
            max_delay_target: 20,
            num_retries: 3,
            num_max_delay_retries: 0,
            num_no_delay_retries: 0,
            num_min_delay_retries: 0,
            backoff_function: Backoff::Linear,
        }
    }
}

/// E-mail: 50 tries over six hours, as AWS does for endpoints outside AWS.
pub const MAIL: RetryPolicy = RetryPolicy {
    min_delay_target: 10,
    max_delay_target: 600,
    num_retries: 50,
    num_max_delay_retries: 38,
    num_no_delay_retries: 0,
    num_min_delay_retries: 2,
    backoff_function: Backoff::Exponential,
};

/// Functions: AWS's first three phases; its 100,000 tries after them (23 days) are cut to 85 here,
/// because the function runs in the same process.
pub const FUNCTION: RetryPolicy = RetryPolicy {
    min_delay_target: 1,
    max_delay_target: 20,
    num_retries: 100,
    num_max_delay_retries: 85,
    num_no_delay_retries: 3,
    num_min_delay_retries: 2,
    backoff_function: Backoff::Exponential,
};

/// Most tries (AWS).
pub const RETRIES_MAX: u32 = 100;
/// Longest sum of all delays of a policy a user gives, seconds (AWS).
pub const TOTAL_SECONDS_MAX: u64 = 3600;

impl RetryPolicy {
    /// Checks AWS's bounds; the error names the member.
    pub fn check(&self) -> Result<(), String> {
        let phases = u64::from(self.num_no_delay_retries)
            + u64::from(self.num_min_delay_retries)
            + u64::from(self.num_max_delay_retries);
        if self.min_delay_target < 1 || self.min_delay_target > self.max_delay_target {
            return Err("minDelayTarget must be between 1 and maxDelayTarget".to_owned());
        }
        if u64::from(self.max_delay_target) > TOTAL_SECONDS_MAX {
            return Err(format!("maxDelayTarget must be at most {TOTAL_SECONDS_MAX}"));
        }
        if self.num_retries > RETRIES_MAX {
            return Err(format!("numRetries must be at most {RETRIES_MAX}"));
        }
        if phases > u64::from(self.num_retries) {
            return Err(
                "numNoDelayRetries + numMinDelayRetries + numMaxDelayRetries must be at most numRetries"
                    .to_owned(),
            );
        }
        let total: u64 = (1..=self.num_retries).filter_map(|n| self.delay_ms(n, 0.0)).sum();
        if total > TOTAL_SECONDS_MAX * 1000 {
            return Err(format!("the delays of all retries add up to more than {TOTAL_SECONDS_MAX} seconds"));
        }
        Ok(())
    }

    /// Milliseconds to wait before retry number `retry` (1 is the first after the failed first try), or
    /// `None` when there is none left. `jitter` in 0..=1 adds up to a tenth.
    pub fn delay_ms(&self, retry: u32, jitter: f64) -> Option<u64> {
        if retry == 0 || retry > self.num_retries {
            return None;
        }
        let index = retry - 1;
        let backoff_from = self.num_no_delay_retries.saturating_add(self.num_min_delay_retries);
        let backoff_to = self.num_retries.saturating_sub(self.num_max_delay_retries);
        let seconds = if index < self.num_no_delay_retries {
            0.0
        } else if index < backoff_from {
            f64::from(self.min_delay_target)
        } else if index < backoff_to {
            self.curve(index - backoff_from, backoff_to - backoff_from)
        } else {
            f64::from(self.max_delay_target)
        };
        let jitter = if jitter.is_finite() { jitter.clamp(0.0, 1.0) } else { 0.0 };
        // Bounded by check() or by the constants above: at most 4 million, never negative.
        Some((seconds * 1000.0 * (1.0 + jitter / 10.0)).round() as u64)
    }

    /// Delay in seconds at `step` of `steps` in the back-off phase.
    fn curve(&self, step: u32, steps: u32) -> f64 {
        let (low, high) = (f64::from(self.min_delay_target.max(1)), f64::from(self.max_delay_target));
        if steps < 2 {
            return low;
        }
        let (step, last) = (f64::from(step), f64::from(steps - 1));
        let at = step / last;
        match self.backoff_function {
            Backoff::Linear => low + (high - low) * at,
            Backoff::Arithmetic => low + (high - low) * (step * (step + 1.0)) / (last * (last + 1.0)),
            Backoff::Geometric => low * (high / low).powf(at),
            Backoff::Exponential => low + (high - low) * (step.exp2() - 1.0) / (last.exp2() - 1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn delays(policy: &RetryPolicy) -> Vec<u64> {
        (1..).map_while(|n| policy.delay_ms(n, 0.0)).collect()
    }

    #[test]
    fn the_defaults_are_awss() {
        assert_eq!(delays(&RetryPolicy::default()), [20_000, 20_000, 20_000]);
        let mail = delays(&MAIL);
        assert_eq!(mail.len(), 50);
        assert_eq!(
            (mail[0], mail[1], mail[2], mail[11], mail[49]),
            (10_000, 10_000, 10_000, 600_000, 600_000)
        );
        assert!(mail.iter().sum::<u64>() > 6 * 3600 * 1000);
        let function = delays(&FUNCTION);
        assert_eq!(function[..5], [0, 0, 0, 1000, 1000]);
        assert_eq!((function[14], function[99]), (20_000, 20_000));
    }

    #[test]
    fn phases_follow_each_other() {
        let policy = |backoff_function| RetryPolicy {
            min_delay_target: 2,
            max_delay_target: 10,
            num_retries: 10,
            num_no_delay_retries: 2,
            num_min_delay_retries: 1,
            num_max_delay_retries: 2,
            backoff_function,
        };
        for (function, backoff) in [
            (Backoff::Linear, [2000, 4000, 6000, 8000, 10_000]),
            (Backoff::Arithmetic, [2000, 2800, 4400, 6800, 10_000]),
            (Backoff::Geometric, [2000, 2991, 4472, 6687, 10_000]),
            (Backoff::Exponential, [2000, 2533, 3600, 5733, 10_000]),
        ] {
            let got = delays(&policy(function));
            assert_eq!(got[..3], [0, 0, 2000]);
            assert_eq!(got[3..8], backoff, "{function:?}");
            assert_eq!(got[8..], [10_000, 10_000]);
        }
    }

    #[test]
    fn bounds_are_checked() {
        let base = RetryPolicy::default();
        for (policy, word) in [
            (RetryPolicy { min_delay_target: 0, ..base.clone() }, "minDelayTarget"),
            (RetryPolicy { min_delay_target: 21, ..base.clone() }, "minDelayTarget"),
            (RetryPolicy { max_delay_target: 3601, ..base.clone() }, "maxDelayTarget"),
            (RetryPolicy { num_retries: 101, ..base.clone() }, "numRetries"),
            (RetryPolicy { num_no_delay_retries: 4, ..base.clone() }, "numNoDelayRetries"),
            (
                RetryPolicy { max_delay_target: 3600, num_max_delay_retries: 3, ..base.clone() },
                "3600 seconds",
            ),
        ] {
            assert!(policy.check().unwrap_err().contains(word), "{policy:?}");
        }
        assert_eq!(base.check(), Ok(()));
    }

    proptest! {
        #![proptest_config(crate::tests::rounds(128))]
        #[test]
        fn a_policy_that_passes_is_finite_and_ordered(
            low in 0u32..50, high in 0u32..4000, retries in 0u32..120, a in 0u32..20, b in 0u32..20,
            c in 0u32..20, curve in 0usize..4, jitter in 0.0f64..1.0,
        ) {
            let policy = RetryPolicy {
                min_delay_target: low, max_delay_target: high, num_retries: retries, num_no_delay_retries: a,
                num_min_delay_retries: b, num_max_delay_retries: c,
                backoff_function: [Backoff::Linear, Backoff::Arithmetic, Backoff::Geometric, Backoff::Exponential][curve],
            };
            let all = delays(&policy);
            prop_assert_eq!(all.len() as u32, retries);
            if policy.check().is_ok() {
                prop_assert!(all.windows(2).all(|w| w[0] <= w[1]), "{:?}", all);
                prop_assert!(all.iter().sum::<u64>() <= 3_600_000);
                for (n, plain) in (1..).zip(&all) {
                    let with = policy.delay_ms(n, jitter).unwrap();
                    prop_assert!(*plain <= with && with <= plain + plain / 10 + 1);
                }
            }
        }
    }
}
