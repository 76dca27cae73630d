//! An axis of the picture: it begins with 0, and what stands beside it are round numbers, each once.

use std::ops::Range;

use plotters::coord::{
    ranged1d::{DefaultFormatting, KeyPointHint, Ranged},
    types::RangedCoordf64,
};

#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Axis {
    highest: f64,
    step: f64,
    /// Behind the point.
    decimals: usize,
    is_bare: bool,
}

impl Axis {
    /// One that is divided into this many parts at the most. `highest` is greater than 0.
    pub(super) fn up_to(highest: f64, parts: u32) -> Self {
        let least = highest / f64::from(parts);
        let exponent = least.log10().floor();
        let power = 10_f64.powf(exponent);
        let steps = [1.0, 2.0, 5.0].map(|times| times * power);
        let (step, exponent) = match steps.into_iter().find(|step| *step >= least) {
            Some(step) => (step, exponent),
            None => (10.0 * power, exponent + 1.0),
        };
        Self { highest, step, decimals: (-exponent).max(0.0) as usize, is_bare: false }
    }

    /// Of what is counted.
    pub(super) fn whole(self) -> Self {
        match self.step < 1.0 {
            true => Self { step: 1.0, decimals: 0, ..self },
            false => self,
        }
    }

    /// Of nothing.
    pub(super) fn bare(self) -> Self {
        Self { is_bare: true, ..self }
    }

    pub(super) fn label(self, value: f64) -> String {
        format!("{value:.*}", self.decimals)
    }

    fn marks(self) -> Vec<f64> {
        if self.is_bare {
            return Vec::new();
        }
        // The last one may be a hair too far.
        let last = (self.highest / self.step + 1e-9).floor() as u32;
        (0..=last).map(|times| f64::from(times) * self.step).collect()
    }
}

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        RangedCoordf64::from(self.range()).map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.marks()
    }

    fn range(&self) -> Range<f64> {
        0.0..self.highest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_each_label_once_and_as_many_decimals_as_it_takes() {
        let labels = |axis: Axis| -> Vec<_> {
            axis.marks().into_iter().map(|value| axis.label(value)).collect()
        };
        for (highest, expected) in [
            (1.05, "0.0 0.2 0.4 0.6 0.8 1.0"),
            (2.1, "0.0 0.5 1.0 1.5 2.0"),
            (16.8, "0 5 10 15"),
            (0.001, "0.0000 0.0002 0.0004 0.0006 0.0008 0.0010"),
            (0.3, "0.00 0.05 0.10 0.15 0.20 0.25 0.30"),
            (105.0, "0 20 40 60 80 100"),
        ] {
            assert_eq!(labels(Axis::up_to(highest, 6)).join(" "), expected);
        }
        for (highest, expected) in
            [(1.05, "0 1"), (2.1, "0 1 2"), (5.25, "0 1 2 3 4 5"), (52.5, "0 10 20 30 40 50")]
        {
            assert_eq!(labels(Axis::up_to(highest, 6).whole()).join(" "), expected);
        }
        let mut highest = 1e-3;
        while highest < 1e13 {
            let mut labels = labels(Axis::up_to(highest, 6));
            let found = labels.len();
            labels.dedup();
            assert!((3..=7).contains(&found) && labels.len() == found, "{highest}: {labels:?}");
            highest *= 1.07;
        }
        assert_eq!(labels(Axis::up_to(7.0, 6).bare()), [""; 0]);
    }
}
