//! Ready-made generators: what well-known exporters show, in the language of the config file.
//!
//! Names, types, texts, labels and buckets are those of the real exporters; the objects they speak of
//! are made up, and `parameters` say how many there are.

/// A ready-made generator.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Preset {
    /// Its name.
    pub name: &'static str,
    /// What it shows.
    pub about: &'static str,
    /// The config file.
    pub text: &'static str,
}

/// All of them.
pub const ALL: &[Preset] = &[
    Preset {
        name: "ingress-nginx",
        about: "an ingress controller: 720,000 buckets of 1,000 ingresses with 10 paths",
        text: include_str!("presets/ingress-nginx.yaml"),
    },
    Preset {
        name: "node-exporter",
        about: "a server with 16 processors: about 1,200 series",
        text: include_str!("presets/node-exporter.yaml"),
    },
    Preset {
        name: "kube-state-metrics",
        about: "the objects of a cluster of 50 nodes and 1,000 pods",
        text: include_str!("presets/kube-state-metrics.yaml"),
    },
    Preset {
        name: "cadvisor",
        about: "the containers of one node",
        text: include_str!("presets/cadvisor.yaml"),
    },
    Preset {
        name: "go-process",
        about: "a program with client_golang: runtime and process",
        text: include_str!("presets/go-process.yaml"),
    },
];

/// The names of all presets.
pub const NAMES: &[&str] =
    &["ingress-nginx", "node-exporter", "kube-state-metrics", "cadvisor", "go-process"];

/// The config file of a preset.
pub fn text(name: &str) -> Option<&'static str> {
    ALL.iter().find(|preset| preset.name == name).map(|preset| preset.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_text() {
        let names: Vec<&str> = ALL.iter().map(|preset| preset.name).collect();
        assert_eq!(names, NAMES);
        assert!(NAMES.iter().all(|name| text(name).is_some_and(|text| text.contains("families:"))));
        assert_eq!(text("node"), None);
    }
}
