//! The generated ingress-nginx body is what the benches say it is.
#![expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]

use std::collections::HashMap;

use crate::nginx_body::{Body, N_PER_INGRESS};

fn series_of(body: &Body) -> HashMap<String, f64> {
    let text = String::from_utf8(body.bytes()).unwrap();
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (series.to_owned(), value.parse().unwrap())
        })
        .collect()
}

fn without_path(series: &str) -> String {
    let (before, rest) = series.split_once(",path=\"").unwrap();
    let (_, after) = rest.split_once('"').unwrap();
    format!("{before}{after}")
}

#[test]
fn it_has_the_size_and_shape_stated() {
    let body = Body::new(20, 1);
    let bytes = body.bytes();
    let series = series_of(&body);
    assert_eq!(series.len(), 20 * N_PER_INGRESS);
    assert_eq!(series.len(), body.n_series());
    let lines = bytes.split(|&b| b == b'\n').filter(|l| l.first().is_some_and(|&b| b != b'#'));
    let mean = lines.map(|line| line.len() + 1).sum::<usize>() / series.len();
    assert!((384..=392).contains(&mean), "{mean} bytes a line");
}

#[test]
fn dropping_the_path_folds_ten_series_into_one() {
    let body = Body::new(20, 1);
    let mut folded = HashMap::<String, usize>::new();
    for series in series_of(&body).keys() {
        *folded.entry(without_path(series)).or_default() += 1;
    }
    assert_eq!(folded.len(), body.n_series_folded());
    assert!(folded.values().all(|&n| n == 10));
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    assert_eq!(Body::new(3, 7).bytes(), Body::new(3, 7).bytes());
    assert_ne!(Body::new(3, 7).bytes(), Body::new(3, 8).bytes());
}

#[test]
fn the_next_scrape_has_the_same_series_and_none_falls() {
    let body = Body::new(5, 1);
    let (first, second) = (series_of(&body), series_of(&body.clone().scrape_no(1)));
    assert_eq!(first.len(), second.len());
    let grown = first.iter().filter(|(series, value)| second[*series] > **value).count();
    assert!(grown > first.len() / 2, "{grown}");
    assert!(first.iter().all(|(series, value)| second[series] >= *value));
}

#[test]
fn histograms_are_cumulative_and_the_counts_add_up() {
    let body = Body::new(5, 1);
    let series = series_of(&body);
    let total: f64 = series.iter().filter(|(s, _)| s.contains("_count{")).map(|(_, v)| v).sum();
    assert_eq!(total.to_bits(), (body.total_count() as f64).to_bits());
    let text = String::from_utf8(body.bytes()).unwrap();
    let mut last = 0.0;
    for line in text.lines().filter(|line| line.contains("_bucket{") || line.contains("_count{")) {
        let value: f64 = line.rsplit_once(' ').unwrap().1.parse().unwrap();
        last =
            if line.contains("le=\"0.005\"") || line.contains("le=\"100\"") { 0.0 } else { last };
        assert!(value >= last, "{line}");
        last = value;
    }
}

#[test]
fn churn_replaces_its_part_of_the_series() {
    let body = Body::new(50, 1).churn(0.01);
    let (first, second) = (series_of(&body), series_of(&body.clone().scrape_no(1)));
    assert_eq!(second.len(), first.len());
    let new = second.keys().filter(|series| !first.contains_key(*series)).count();
    let part = new as f64 / first.len() as f64;
    assert!((0.005..0.02).contains(&part), "{part}");
}

#[test]
fn inserted_ingresses_are_new_and_the_rest_stays() {
    let (before, after) = (Body::new(10, 1), Body::new(10, 1).inserted(2));
    let (first, second) = (series_of(&before), series_of(&after));
    assert_eq!(second.len(), first.len() + 2 * N_PER_INGRESS);
    assert!(first.keys().all(|series| second.contains_key(series)));
}

#[test]
fn shuffled_lines_are_the_same_lines() {
    let (straight, shuffled) = (Body::new(3, 1), Body::new(3, 1).shuffled());
    assert_ne!(straight.bytes(), shuffled.bytes());
    assert_ne!(shuffled.bytes(), shuffled.clone().scrape_no(1).bytes());
    assert_eq!(series_of(&straight), series_of(&shuffled));
}
