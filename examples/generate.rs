//! The generator as a library: a spec in code, a page, one series over time, its samples.
//!
//! `cargo run --example generate`
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::process::ExitCode;

use weir::generate::generator::Generator;
use weir::generate::generator::Limits;
use weir::generate::sample::Reading;
use weir::generate::spec::CounterSource;
use weir::generate::spec::CounterSpec;
use weir::generate::spec::DataSpec;
use weir::generate::spec::DimensionSpec;
use weir::generate::spec::Extent;
use weir::generate::spec::FamilySpec;
use weir::generate::spec::PeriodicSpec;
use weir::generate::spec::ResetSpec;
use weir::generate::spec::SignalSpec;
use weir::generate::spec::Spec;
use weir::generate::spec::ValuesSpec;
use weir::model::Format;
use weir::model::MetricType;

const HOUR_MS: i64 = 3_600_000;

fn main() -> ExitCode {
    let generator = match Generator::new(&spec(), &Limits::default()) {
        Ok(generator) => generator,
        Err(errors) => {
            for error in &errors {
                println!("{error}");
            }
            return ExitCode::FAILURE;
        }
    };

    println!("The page of target 0, ten minutes after the start:\n");
    let mut text = Vec::new();
    let mut page = generator.page(0, HOUR_MS / 6, Format::OpenMetrics);
    while page.fill(&mut text, 1 << 16) {}
    println!("{}", String::from_utf8_lossy(&text));

    // Any instant, in any order: there is no cursor that would have to get there first.
    println!("The first series, read backwards:\n");
    for hour in (0..6).rev() {
        let mut first = None;
        generator.for_each_sample(0, hour * HOUR_MS, &mut |sample| {
            if let Reading::Value(value) = sample.reading {
                first.get_or_insert(value);
            }
        });
        println!("  hour {hour}: {}", first.unwrap_or(f64::NAN));
    }
    ExitCode::SUCCESS
}

/// Requests of three pods: a rate that waves, and a restart every four hours.
fn spec() -> Spec {
    let wave = PeriodicSpec::Sine { mean: 10.0, amplitude: 4.0, period: Extent::Duration(HOUR_MS) };
    let requests = CounterSpec {
        source: CounterSource::Rate(SignalSpec::Periodic(wave)),
        resets: vec![ResetSpec::Every(4 * HOUR_MS)],
        integers: true,
    };
    let pods = ValuesSpec::Template { template: "web-{n}".to_owned(), count: 3 };
    let family = FamilySpec {
        help: "Requests answered.".to_owned(),
        spread: 0.3,
        dimensions: vec![DimensionSpec {
            label: "pod".to_owned(),
            values: pods,
            weights: None,
            of: None,
            per_target: false,
        }],
        ..FamilySpec::new("http_requests_total", MetricType::Counter, DataSpec::Counter(requests))
    };
    Spec { seed: 42, families: vec![family], ..Spec::default() }
}
