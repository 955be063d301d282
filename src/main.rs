//! The weir executable: arguments, then one tool, then an exit code.

use clap::Parser;
use std::io::{self, Write};
use std::process::ExitCode;
use weir::app::exit::Exit;
use weir::app::options::Options;
use weir::app::serve::Failure;
use weir::app::{analyze, check, explain, fetch, lint, options, serve};
use weir::cli::{AnalyzeFlags, Cli, Command, GateFlags, LintFlags, generate};
use weir::telemetry::log::LogFormat;
use weir::telemetry::{log, panic};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(told) => {
            // Help and version are no errors: clap prints them to standard output with code 0.
            let code = u8::try_from(told.exit_code()).unwrap_or(Exit::BadInput.code());
            return ExitCode::from(if told.print().is_ok() { code } else { Exit::Failure.code() });
        }
    };
    let (mut out, mut err) = (io::stdout().lock(), io::stderr());
    let ended = match cli.command {
        Some(Command::Analyze(flags)) => run_analyze(flags, &mut out, &mut err),
        Some(Command::Check(flags)) if flags.schema => check::schema(&mut out),
        Some(Command::Check(flags)) => check::run(&flags.files, flags.json, &mut out, &mut err),
        Some(Command::Explain(flags)) => {
            explain::run(&flags.into(), io::stdin().lock(), &mut out, &mut err)
        }
        Some(Command::Lint(flags)) => run_lint(flags, &mut out, &mut err),
        Some(Command::Generate(flags)) => {
            log::init(flags.log_format.into(), &flags.log_level);
            panic::install_hook();
            generate::run(*flags, &mut out, &mut err)
        }
        None if cli.gate.names_a_file() => {
            let analyze = cli.gate.into_analyze_options();
            let fetch = |_: &str| Err(io::ErrorKind::Unsupported.into());
            analyze::run(&analyze, io::empty(), fetch, options::random_word, &mut out, &mut err)
        }
        None => run_gate(cli.gate, &mut err),
    };
    match ended.and_then(|exit| out.flush().map(|()| exit)) {
        Ok(exit) => exit.into(),
        // Whoever reads our output has seen enough.
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Exit::Clean.into(),
        Err(e) => {
            let told = writeln!(err, "weir: {e}");
            drop(told);
            Exit::Failure.into()
        }
    }
}

fn run_analyze(
    flags: AnalyzeFlags,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let fetch_options = flags.fetch_options();
    let fetch = |url: &str| fetch::fetch(url, &fetch_options);
    let stdin = io::stdin().lock();
    analyze::run(&flags.into(), stdin, fetch, options::random_word, out, err)
}

fn run_lint(flags: LintFlags, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    let fetch_options = flags.fetch_options();
    let fetch = |url: &str| fetch::fetch(url, &fetch_options);
    let stdin = io::stdin().lock();
    lint::run(&flags.into(), stdin, fetch, options::random_word, out, err)
}

fn run_gate(flags: GateFlags, err: &mut impl Write) -> io::Result<Exit> {
    let (level, format) = (flags.log_level.clone(), flags.log_format);
    let options = Options::from(flags);
    // Read before logs begin, as it may say how they look.
    let loaded = options.config();
    let wanted = loaded.as_ref().ok();
    let level = level.or_else(|| Some(wanted?.log_level?.to_owned()));
    let format = format.map(LogFormat::from).or_else(|| wanted?.log_format);
    log::init(format.unwrap_or_default(), level.as_deref().unwrap_or("info"));
    panic::install_hook();
    let served = loaded
        .map_err(|lines| Failure { exit: Exit::BadInput, lines })
        .and_then(|config| serve::gate(&options, config));
    match served {
        Ok(()) => Ok(Exit::Clean),
        Err(failure) => {
            for line in &failure.lines {
                writeln!(err, "weir: {line}")?;
            }
            Ok(failure.exit)
        }
    }
}
