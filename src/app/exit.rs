//! How a run ends.

use std::process::ExitCode;

/// What the exit code tells whoever started weir.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Exit {
    /// 0: nothing to complain about, also after a signal and a full drain.
    #[default]
    Clean,
    /// 3: `check` or `lint` found something that is allowed but probably not meant.
    Findings,
    /// 2: flags, a configuration or an argument weir cannot work with.
    BadInput,
    /// 1: something failed while running, or the drain ran out of time.
    Failure,
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Failure => 1,
            Self::BadInput => 2,
            Self::Findings => 3,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
