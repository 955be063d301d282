use super::*;
use clap::CommandFactory;

fn options(args: &[&str]) -> Result<Options, i32> {
    let args = std::iter::once(&"weir").chain(args);
    Cli::try_parse_from(args).map(|cli| cli.gate.into()).map_err(|e| e.exit_code())
}

#[test]
fn the_description_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn flags_default_as_options_do() {
    let (told, default) = (options(&[]).unwrap(), Options::default());
    let told = Options { proxies: ProxySettings::default(), ..told };
    assert_eq!(format!("{told:?}"), format!("{default:?}"));
}

/// Section 3 of the drop-in contract: pflag's ways to write a flag.
#[test]
fn flags_are_read_as_pflag_reads_them() {
    for args in
        [&["--upstream", "h/m"][..], &["--upstream=h/m"], &["-H", "h/m"], &["-Hh/m"], &["-H=h/m"]]
    {
        assert_eq!(options(args).unwrap().upstreams, ["h/m"], "{args:?}");
    }
    // One that is given again is one more, which metric-gate does not have.
    let several = options(&["-H", "a", "--upstream=dns+http://b/m", "-H=file:c d"]).unwrap();
    assert_eq!(several.upstreams, ["a", "dns+http://b/m", "file:c d"]);
    assert_eq!(options(&["-p9", "-t1m30s"]).unwrap().port, Some(9));
    assert_eq!(options(&["-t=500ms"]).unwrap().scrape_timeout, Some(Duration::from_millis(500)));
    let yaml = "\n  metric_relabel_configs:\n  - action: drop\n";
    assert_eq!(options(&["--relabel", yaml]).unwrap().relabel, yaml);
    assert_eq!(options(&["--relabel", "- x"]).unwrap().relabel, "- x");
    assert_eq!(options(&["--relabel-file="]).unwrap().relabel_file, None);
}

#[test]
fn bad_flags_end_with_2() {
    for args in [
        &["--no-such-flag"][..],
        &["-z"],
        &["--port", "x"],
        &["--port", "70000"],
        &["-t", "0s"],
        &["-t", "-5s"],
        &["-t", "15"],
        &["--upstream"],
        &["--merge", "average"],
        &["--log-format", "xml"],
        &["positional"],
        &["--max-line-bytes", "0"],
        &["--max-connections", "0"],
        &["--max-concurrent-scrapes", "0"],
        &["--counters", "safe"],
        &["--partial", "maybe"],
        &["--max-series", "-1"],
        &["check"],
        &["-p", "1", "check", "f"],
    ] {
        assert_eq!(options(args).unwrap_err(), 2, "{args:?}");
    }
}

#[test]
fn help_and_version_end_with_0() {
    for args in [["-h"], ["--help"], ["-v"], ["--version"]] {
        assert_eq!(options(&args).unwrap_err(), 0, "{args:?}");
    }
}

/// Each flag of the gate has an environment twin, `WEIR_` and its name.
#[test]
fn every_flag_has_its_environment_variable() {
    for arg in Cli::command().get_arguments() {
        let Some(name) = arg.get_long().filter(|name| !["help", "version"].contains(name)) else {
            continue;
        };
        let expect = match name {
            "port" => "WEIR_LISTEN_PORT".to_owned(),
            name => format!("WEIR_{}", name.replace(['-', '.'], "_").to_uppercase()),
        };
        assert_eq!(arg.get_env().and_then(|env| env.to_str()), Some(expect.as_str()), "--{name}");
    }
}

/// What stands in a configuration file does not stand beside it; the rest may.
#[test]
fn a_configuration_file_stands_alone() {
    const BESIDE: [&str; 9] = [
        "config",
        "port",
        "listen_address",
        "web_config_file",
        "open_probes",
        "log_level",
        "log_format",
        "enable_reload",
        "version",
    ];
    for arg in Cli::command().get_arguments() {
        let id = arg.get_id().as_str();
        let is_listed = IN_CONFIG_FILE.contains(&id);
        assert!(is_listed != (BESIDE.contains(&id) || id == "help"), "{id}");
    }
    assert_eq!(options(&["--config", "w.yaml", "-H", "h/m"]).unwrap_err(), 2);
    assert_eq!(options(&["--config", "w.yaml", "--max-series", "9"]).unwrap_err(), 2);
    let read = options(&["--config", "w.yaml", "-p", "1", "--enable-reload"]).unwrap();
    assert_eq!((read.config_file, read.port), (Some(PathBuf::from("w.yaml")), Some(1)));
}
