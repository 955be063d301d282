//! Kills weir again and again and looks for what is lost.
//!
//! `kill9 [--full-disk] [ROUNDS [SEED]]`: in each round senders push to a weir of its own process, by
//! remote write over HTTP; it is killed with SIGKILL at a random moment, started again on the same
//! queue, in every third round killed once more while it is young, and in the end what it had answered
//! with 2xx is compared with what has arrived. Destinations are well, slow, down, answer 500 and 429 by
//! turns, or are down and then well; what goes through weir is kept as it is, rewritten by a rule, or
//! translated. Ends with 1 if an acknowledged sample was lost, if the samples of a series changed
//! their order, if weir ended by itself, or if more came twice than one request of each shard holds
//! for each kill; with `--full-disk`, which is for a TMPDIR that is too small, also if it was never
//! full.
//!
//! Every request has samples of its own, also when it says again what was not acknowledged. So what
//! comes twice comes twice from weir; what arrives of requests without an answer, which a sender
//! would have sent again, is counted apart.
//!
//! WEIR names the program; without it, it is the one built beside this. Queues are made where TMPDIR
//! says: on a small disk that is full most of the time, too.
#![allow(clippy::print_stdout, reason = "it is a program that tells a person something")]

mod destination;
mod senders;
mod weir;

use ::weir::app::clock::system_time_ms;
use destination::Destination;
use senders::Senders;
use std::fmt;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;
use weir::Way;
use weir::Weir;

/// The most samples of one request to the destination.
const SAMPLES_PER_SEND: u64 = 500;
/// Requests to the destination at the same time.
const SHARDS: u64 = 2;
const ROUNDS: u64 = 20;
/// In every round of this number weir is killed twice.
const TWICE_EVERY: u64 = 3;

type Error = Box<dyn std::error::Error>;

/// The arguments.
struct Args {
    /// Whether the disk is too small, and must have been full.
    has_small_disk: bool,
    rounds: u64,
    seed: u64,
}

impl Args {
    fn new(args: impl Iterator<Item = String>) -> Result<Self, Error> {
        let (flags, numbers): (Vec<_>, Vec<_>) = args.partition(|arg| arg == "--full-disk");
        let numbers = numbers.iter().map(|text| text.parse::<u64>());
        let numbers: Vec<u64> = numbers
            .collect::<Result<_, _>>()
            .map_err(|error| format!("{error}: kill9 [--full-disk] [ROUNDS [SEED]]"))?;
        let nth = |n: usize| numbers.get(n).copied();
        Ok(Self {
            has_small_disk: !flags.is_empty(),
            rounds: nth(0).unwrap_or(ROUNDS),
            seed: nth(1).unwrap_or_else(|| system_time_ms().cast_unsigned()),
        })
    }
}

fn main() -> Result<ExitCode, Error> {
    let Args { has_small_disk, rounds, seed } = Args::new(std::env::args().skip(1))?;
    let flag = if has_small_disk { "--full-disk " } else { "" };
    println!(
        "{rounds} rounds, with queues in {}. In each, senders push to weir without a pause, weir is \
         killed with SIGKILL\nand started again, and what it acknowledged with 2xx is compared with \
         what has arrived at its destination.\nThe same rounds again: kill9 {flag}{rounds} {seed}\n",
        std::env::temp_dir().display()
    );
    let mut random = Random(seed);
    let mut total = Outcome::default();
    for number in 0..rounds {
        let round = Round::of(number, &mut random);
        println!("round {} of {rounds}: {round}", number + 1);
        let outcome = round.run()?;
        println!("    {outcome}");
        total.add(&outcome);
    }
    println!("\n{rounds} rounds, {} kills: {total}", total.n_kills);
    Ok(total.judge(has_small_disk))
}

#[derive(Default)]
struct Outcome {
    n_kills: u64,
    acked: u64,
    /// Requests that were answered with 429 or 503.
    refused: u64,
    lost: u64,
    disordered: u64,
    duplicated: u64,
    /// Samples that arrived of requests that had no answer, or none of 2xx.
    unanswered: u64,
    /// The most duplicates for each kill.
    worst: u64,
}

impl Outcome {
    fn add(&mut self, other: &Self) {
        self.n_kills += other.n_kills;
        self.acked += other.acked;
        self.refused += other.refused;
        self.lost += other.lost;
        self.disordered += other.disordered;
        self.duplicated += other.duplicated;
        self.unanswered += other.unanswered;
        self.worst = self.worst.max(other.worst);
    }

    /// Say whether all is as it should be.
    fn judge(&self, has_small_disk: bool) -> ExitCode {
        let bound = SHARDS * SAMPLES_PER_SEND;
        let wrong = [
            (self.lost > 0, "samples were lost that had been acknowledged"),
            (self.disordered > 0, "series arrived out of order"),
            (self.worst > bound, "more arrived twice than requests in flight hold"),
            (self.acked == 0, "nothing was acknowledged"),
            (has_small_disk && self.refused == 0, "the disk was never full"),
        ];
        let mut code = ExitCode::SUCCESS;
        for (_, what) in wrong.iter().filter(|(is_wrong, _)| *is_wrong) {
            println!("FAILED: {what}");
            code = ExitCode::FAILURE;
        }
        if code == ExitCode::SUCCESS {
            println!(
                "passed: nothing acknowledged was lost; at most {} samples a kill arrived twice, \
                 of {bound} in flight",
                self.worst
            );
        }
        code
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { acked, refused, lost, disordered, duplicated, unanswered, .. } = self;
        write!(f, "{acked} samples acknowledged: {lost} lost, {disordered} out of order, ")?;
        write!(f, "{duplicated} twice; {unanswered} more arrived of requests without an answer; ")?;
        write!(f, "{refused} requests refused with 503 or 429")
    }
}

/// `splitmix64`.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let n = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        n ^ (n >> 31)
    }

    fn up_to_ms(&mut self, ms: u64) -> Duration {
        Duration::from_millis(self.next() % ms)
    }
}

/// What the destination does before the kill.
#[derive(Clone, Copy)]
enum Mode {
    Well,
    Slow,
    Down,
    Failing,
    /// Down at first, then well: where the disk was full, there is space again.
    Recovering,
}

impl Mode {
    const ALL: [Self; 5] = [Self::Well, Self::Slow, Self::Down, Self::Failing, Self::Recovering];

    fn words(self) -> &'static str {
        match self {
            Self::Well => "is well",
            Self::Slow => "is slow",
            Self::Down => "is down until the kill",
            Self::Failing => "answers 500 and 429 by turns",
            Self::Recovering => "is down, then well",
        }
    }
}

/// What happens in a round.
struct Round {
    mode: Mode,
    way: Way,
    /// When weir is killed, and then again.
    after: Vec<Duration>,
}

impl Round {
    fn of(number: u64, random: &mut Random) -> Self {
        let pick = |n: usize| usize::try_from(number).map_or(0, |number| number % n);
        let mut after = vec![Duration::from_millis(100) + random.up_to_ms(2400)];
        if number % TWICE_EVERY == TWICE_EVERY - 1 {
            after.push(random.up_to_ms(300));
        }
        let ways = Way::ALL;
        let way = ways[usize::try_from(random.next() % 3).map_or(0, |n| n % ways.len())];
        Self { mode: Mode::ALL[pick(Mode::ALL.len())], way, after }
    }

    fn run(&self) -> Result<Outcome, Error> {
        let folder = tempfile::tempdir()?;
        let destination = Destination::start(self.mode)?;
        let mut weir = Weir::start(folder.path(), destination.address, self.way)?;
        let senders = Senders::start(weir.address);
        for (nth, after) in self.after.iter().enumerate() {
            thread::sleep(*after / 2);
            if nth > 0 || matches!(self.mode, Mode::Recovering) {
                destination.set(Mode::Well);
            }
            thread::sleep(*after / 2);
            weir.kill()?;
            destination.set(Mode::Well);
            weir = Weir::start(folder.path(), destination.address, self.way)?;
            senders.go_to(weir.address);
        }
        let requests = senders.end()?;
        destination.wait(&requests);
        weir.kill()?;
        destination.compare(&requests, self.after.len() as u64)
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the destination {}, {}, killed after ", self.mode.words(), self.way.words())?;
        let after = self.after.iter().map(|after| format!("{} ms", after.as_millis()));
        f.write_str(&after.collect::<Vec<_>>().join(" and again after "))
    }
}
