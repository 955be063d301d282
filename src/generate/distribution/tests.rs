use proptest::prelude::*;

use super::*;
use crate::generate::spec::MixturePart;

fn any_spec() -> impl Strategy<Value = DistributionSpec> {
    let leaf = prop_oneof![
        (-50.0..50.0, 0.1..100.0)
            .prop_map(|(min, width)| DistributionSpec::Uniform { min, max: min + width }),
        (0.001..100.0).prop_map(|mean| DistributionSpec::Exponential { mean }),
        (-50.0..50.0, 0.01..50.0)
            .prop_map(|(mean, stddev)| DistributionSpec::Normal { mean, stddev }),
        (-5.0..3.0, 0.05..1.5).prop_map(|(mu, sigma)| DistributionSpec::LogNormal { mu, sigma }),
        (0.01..10.0, 1.2..6.0).prop_map(|(scale, shape)| DistributionSpec::Pareto { scale, shape }),
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        prop::collection::vec((0.1..5.0, inner), 1..3).prop_map(|parts| {
            let part = |(weight, distribution)| MixturePart { weight, distribution };
            DistributionSpec::Mixture(parts.into_iter().map(part).collect())
        })
    })
}

fn compiled(spec: &DistributionSpec) -> Distribution {
    Distribution::new(spec).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Quantile and share undo each other.
    #[test]
    fn the_share_below_a_quantile_is_its_p(spec in any_spec(), p in 1e-6..0.999_999) {
        let distribution = compiled(&spec);
        let share = distribution.cdf(distribution.quantile(p));
        prop_assert!((share - p).abs() <= 1e-9, "{share} for {p}");
    }

    /// The share never falls, stays within 0 and 1, and so do quantiles never fall.
    #[test]
    fn shares_and_quantiles_rise(spec in any_spec(), a in -200.0..200.0, b in -200.0..200.0) {
        let distribution = compiled(&spec);
        let (a, b) = if a <= b { (a, b) } else { (b, a) };
        prop_assert!(0.0 <= distribution.cdf(a) && distribution.cdf(a) <= distribution.cdf(b));
        prop_assert!(distribution.cdf(b) <= 1.0);
        let (p, q) = (unit(a), unit(b));
        prop_assert!(distribution.quantile(p) <= distribution.quantile(q));
    }

    /// The partial mean is the sum of value times share, taken naively in small slices.
    #[test]
    fn the_partial_mean_agrees_with_adding_slices(spec in any_spec(), p in 0.01_f64..0.99) {
        let distribution = compiled(&spec);
        let (from, to) = (0.001, p.max(0.002));
        let n_slices = 4000;
        let slice = (to - from) / f64::from(n_slices);
        let naive: f64 = (0..n_slices)
            .map(|i| distribution.quantile(from + (f64::from(i) + 0.5) * slice) * slice)
            .sum();
        let (low, high) = (distribution.quantile(from), distribution.quantile(to));
        let exact = distribution.mean_below(high) - distribution.mean_below(low);
        let scale = low.abs().max(high.abs());
        prop_assert!((exact - naive).abs() <= 1e-4 * scale, "{exact} and {naive}");
    }

    /// Parts of equal share rise, and their mean is the mean.
    #[test]
    fn strata_rise_and_keep_the_mean(spec in any_spec()) {
        let distribution = compiled(&spec);
        let strata = distribution.strata(64);
        prop_assert!(strata.windows(2).all(|pair| pair[0] <= pair[1]));
        let mean = strata.iter().sum::<f64>() / 64.0;
        let scale = strata.iter().fold(0.0_f64, |scale, x| scale.max(x.abs()));
        prop_assert!((mean - distribution.mean()).abs() <= 1e-12 * scale.max(1.0));
    }
}

fn unit(x: f64) -> f64 {
    (x + 200.0) / 400.0
}

#[test]
fn known_values_of_the_bell() {
    let bell = compiled(&DistributionSpec::Normal { mean: 0.0, stddev: 1.0 });
    for (p, z) in [
        (0.5, 0.0),
        (0.975, 1.959_963_984_540_054),
        (0.999, 3.090_232_306_167_813_5),
        (1e-10, -6.361_340_902_404_056),
        (1e-300, -37.047_096_299_361_2),
    ] {
        assert!(
            (bell.quantile(p) - z).abs() <= 1e-13 * z.abs().max(1.0),
            "{p}: {}",
            bell.quantile(p)
        );
    }
    assert!((bell.cdf(1.0) - 0.841_344_746_068_542_9).abs() < 1e-15);
    assert!([0.0, f64::NAN].map(|p| bell.quantile(p)).iter().all(|x| *x < f64::MIN));
}

#[track_caller]
fn refuse(spec: &DistributionSpec, expected: &[&str]) {
    let errors = Distribution::new(spec).unwrap_err();
    let said: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(said, expected);
}

#[test]
fn wrong_parameters_are_all_named() {
    refuse(
        &DistributionSpec::Uniform { min: f64::NAN, max: f64::INFINITY },
        &["uniform.min: NaN is not a finite number", "uniform.max: inf is not a finite number"],
    );
    refuse(
        &DistributionSpec::Uniform { min: 2.0, max: 2.0 },
        &["uniform.max: 2 has to be above min, which is 2"],
    );
    refuse(
        &DistributionSpec::Pareto { scale: 0.0, shape: 1.0 },
        &["pareto.scale: 0 has to be above 0", "pareto.shape: 1 has to be above 1"],
    );
    refuse(&DistributionSpec::Mixture(vec![]), &["mixture: has no part: give at least one"]);
    let part =
        MixturePart { weight: 0.0, distribution: DistributionSpec::Exponential { mean: -1.0 } };
    refuse(
        &DistributionSpec::Mixture(vec![part]),
        &[
            "mixture[0].weight: 0 has to be above 0 and finite",
            "mixture[0].distribution.exponential.mean: -1 has to be above 0",
        ],
    );
    refuse(
        &DistributionSpec::LogNormal { mu: 700.0, sigma: 30.0 },
        &["the mean is beyond the range of a double"],
    );
}
