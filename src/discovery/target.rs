//! What a target is made of: address, scheme, path and parameters, by the rules of Prometheus.

use crate::discovery::Discovered;
use crate::discovery::Plan;
use crate::http::Url;
use crate::http::percent;
use crate::http::url::Scheme;
use crate::source::Target;
use std::net::IpAddr;

const ADDRESS: &str = "__address__";
const SCHEME: &str = "__scheme__";
const METRICS_PATH: &str = "__metrics_path__";
const PARAM: &str = "__param_";

/// The labels every target has, and `more`; sorted by name.
pub(super) fn labels_of_url(
    url: &Url,
    address: &str,
    more: Vec<(String, String)>,
) -> Vec<(String, String)> {
    let mut labels = more;
    labels.push((ADDRESS.to_owned(), address.to_owned()));
    labels.push((SCHEME.to_owned(), url.scheme().word().to_owned()));
    labels.push((METRICS_PATH.to_owned(), url.path().to_owned()));
    for (name, value) in url.params() {
        let name = format!("{PARAM}{name}");
        // Of several values the first counts, as in Prometheus.
        if !labels.iter().any(|(known, _)| *known == name) {
            labels.push((name, value));
        }
    }
    labels.sort();
    labels
}

/// A target of a document: labels decide, the plan fills what they leave open.
pub(super) fn of_group(
    plan: &Plan,
    address: &str,
    group: &[(String, String)],
) -> Result<Discovered, String> {
    let label = |name: &str| {
        let found = group.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    };
    if address.is_empty() || address.contains(['/', '@', '?', '#']) {
        return Err(format!("{address:?} is not a valid hostname"));
    }
    let scheme = match label(SCHEME) {
        None => plan.scheme,
        Some("http") => Scheme::Http,
        Some("https") => Scheme::Https,
        Some(other) => {
            return Err(format!("{address}: the scheme is {other:?}, not http or https"));
        }
    };
    let path = label(METRICS_PATH).unwrap_or(&plan.metrics_path);
    // Go escapes what would end the path.
    let path = percent::encode(path, |byte| !byte.is_ascii_control() && !b"?#% ".contains(&byte));
    let slash = if path.starts_with('/') { "" } else { "/" };
    let mut params = plan.params.clone();
    for (name, value) in group {
        let Some(name) = name.strip_prefix(PARAM) else { continue };
        match params.iter_mut().find(|(known, _)| known == name) {
            Some((_, values)) if !values.is_empty() => values[0].clone_from(value),
            Some((_, values)) => values.push(value.clone()),
            None => params.push((name.to_owned(), vec![value.clone()])),
        }
    }
    params.sort();
    let url = Url::parse(&format!("{}://{address}{slash}{path}", scheme.word()))
        .map_err(|e| format!("{address}: {e}"))?
        .with_params(&params);
    let is_own =
        |name: &str| matches!(name, ADDRESS | SCHEME | METRICS_PATH) || name.starts_with(PARAM);
    let more = group.iter().filter(|(name, _)| !is_own(name)).cloned().collect();
    let labels = labels_of_url(&url, address, more);
    Ok(Discovered { target: Target::Http(url), labels })
}

/// What targets are sorted by: addresses as numbers, then names; then all that tells two apart.
pub(super) fn order(target: &Target) -> impl Ord + use<> {
    let (address, name, port, rest) = match target {
        Target::At(url, address) => {
            (Some(address.ip()), url.host().to_owned(), address.port(), rest(url))
        }
        Target::Http(url) => {
            let host = url.host();
            (host.parse::<IpAddr>().ok(), host.to_owned(), url.port(), rest(url))
        }
        Target::File(path) => (None, path.display().to_string(), 0, String::new()),
        Target::Local(local) => (None, local.name().to_owned(), 0, String::new()),
    };
    let is_fixed = !matches!(target, Target::At(..));
    (address.is_none(), address, port, name, rest, is_fixed)
}

fn rest(url: &Url) -> String {
    format!("{}{}", url.scheme().word(), url.path_and_query())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::spec::Source;

    fn plan() -> Plan {
        let target = Target::parse("unused").unwrap();
        Plan {
            params: vec![("module".to_owned(), vec!["a".to_owned(), "b".to_owned()])],
            ..Plan::one(Source::Fixed(target))
        }
    }

    #[track_caller]
    fn check(address: &str, labels: &[(&str, &str)], url: &str) {
        let labels: Vec<_> =
            labels.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let found = of_group(&plan(), address, &labels).unwrap();
        let Target::Http(made) = &found.target else { panic!("{found:?}") };
        let whole =
            format!("{}://{}{}", made.scheme().word(), made.host_port(), made.path_and_query());
        assert_eq!(whole, url);
        assert!(found.labels.is_sorted(), "{found:?}");
        assert!(found.labels.contains(&(ADDRESS.to_owned(), address.to_owned())));
    }

    #[test]
    fn labels_make_the_url() {
        check("h:9", &[], "http://h:9/metrics?module=a&module=b");
        check(
            "[::1]:9",
            &[(SCHEME, "https")],
            "https://::1:9/metrics?module=a&module=b".replace("::1:9", "[::1]:9").as_str(),
        );
        check("h", &[(METRICS_PATH, "x y?z")], "http://h:80/x%20y%3Fz?module=a&module=b");
        check("h:9", &[("__param_module", "c&d")], "http://h:9/metrics?module=c%26d&module=b");
        check("h:9", &[("__param_a", "1")], "http://h:9/metrics?a=1&module=a&module=b");
        check(
            "h:9",
            &[("__address__", "other"), ("job", "x")],
            "http://h:9/metrics?module=a&module=b",
        );
    }

    #[test]
    fn labels_of_documents_are_kept() {
        let labels = vec![("job".to_owned(), "x".to_owned())];
        let found = of_group(&plan(), "h:9", &labels).unwrap();
        let shown: Vec<_> = found.labels.iter().map(|(n, v)| format!("{n}={v}")).collect();
        assert_eq!(
            shown,
            [
                "__address__=h:9",
                "__metrics_path__=/metrics",
                "__param_module=a",
                "__scheme__=http",
                "job=x"
            ]
        );
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for address in ["", "h/m", "u:p@h", "h:x", "a b", "http://h"] {
            of_group(&plan(), address, &[]).unwrap_err();
        }
        let scheme = vec![(SCHEME.to_owned(), "ftp".to_owned())];
        of_group(&plan(), "h", &scheme).unwrap_err();
    }
}
