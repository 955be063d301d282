//! Automata for the expressions no shape covers.
//!
//! A full, dense automaton costs about a nanosecond and a half a byte and nothing to start; it is
//! built where it stays small. Else the general engine of `regex-automata` decides, which picks
//! among lazy automata, backtracking and simulation by itself. All are linear in the value.

use super::MatcherError;
use regex_automata::Anchored;
use regex_automata::Input;
use regex_automata::dfa::Automaton;
use regex_automata::dfa::StartKind;
use regex_automata::dfa::dense;
use regex_automata::meta;
use regex_automata::nfa::thompson;
use regex_automata::util::primitives::NonMaxUsize;
use regex_automata::util::primitives::StateID;
use regex_automata::util::start;
use regex_syntax::hir::Hir;
use regex_syntax::hir::Look;

/// The largest dense automaton, and the most memory spent on finding out. Automata larger than
/// the second-level cache would not be fast anyway.
const DENSE_BYTES_MAX: usize = 256 << 10;
const DENSE_BUILD_BYTES_MAX: usize = 2 << 20;
/// The largest automaton of any kind. Go's own limit is 128 MiB of instructions; theirs count
/// characters where these count bytes.
const BYTES_MAX: usize = 256 << 20;

/// One compiled expression.
#[derive(Clone, Debug)]
pub(super) enum Engine {
    /// Matches begin at the start of the value: this state.
    Dense { dfa: Box<dense::DFA<Vec<u32>>>, start: StateID },
    /// Everything else.
    General(Box<meta::Regex>),
}

impl Engine {
    /// An engine that tells whether there is a match.
    pub(super) fn new(hir: &Hir) -> Result<Self, MatcherError> {
        if hir.properties().look_set_prefix().contains(Look::Start)
            && let Some(dense) = Self::dense(hir)
        {
            return Ok(dense);
        }
        Self::with_groups(hir)
    }

    /// An engine that tells where the groups of a match lie.
    pub(super) fn with_groups(hir: &Hir) -> Result<Self, MatcherError> {
        let config = meta::Config::new()
            .nfa_size_limit(Some(BYTES_MAX))
            .onepass_size_limit(Some(DENSE_BUILD_BYTES_MAX))
            // Group 0 alone would do to tell a match, but not where groups lie.
            .which_captures(thompson::WhichCaptures::All);
        let built = meta::Builder::new().configure(config).build_from_hir(hir);
        match built {
            Ok(regex) => Ok(Self::General(Box::new(regex))),
            Err(_) => Err(MatcherError::TooLarge { bytes: BYTES_MAX }),
        }
    }

    fn dense(hir: &Hir) -> Option<Self> {
        let nfa_config = thompson::Config::new()
            .which_captures(thompson::WhichCaptures::None)
            .nfa_size_limit(Some(DENSE_BUILD_BYTES_MAX));
        let nfa = thompson::Compiler::new().configure(nfa_config).build_from_hir(hir).ok()?;
        let config = dense::Config::new()
            .start_kind(StartKind::Anchored)
            .dfa_size_limit(Some(DENSE_BYTES_MAX))
            .determinize_size_limit(Some(DENSE_BUILD_BYTES_MAX));
        let dfa = dense::Builder::new().configure(config).build_from_nfa(&nfa).ok()?;
        let start = dfa.start_state(&start::Config::new().anchored(Anchored::Yes)).ok()?;
        Some(Self::Dense { dfa: Box::new(dfa), start })
    }

    /// Whether there is a match in `value`.
    pub(super) fn is_match(&self, value: &[u8]) -> bool {
        match self {
            Self::General(regex) => regex.is_match(value),
            Self::Dense { dfa, start } => {
                walk(dfa, *start, value).is_none_or(|state| is_match_at_end(dfa, state))
            }
        }
    }

    /// Whether there is a match in the values joined by `separator`; `None` if they must be joined
    /// first.
    pub(super) fn is_match_joined<'v>(
        &self,
        values: impl Iterator<Item = &'v [u8]>,
        separator: &[u8],
    ) -> Option<bool> {
        let Self::Dense { dfa, start } = self else { return None };
        let mut state = *start;
        for (index, value) in values.enumerate() {
            if index > 0 {
                match walk(dfa, state, separator) {
                    Some(next) => state = next,
                    None => return Some(true),
                }
            }
            match walk(dfa, state, value) {
                Some(next) if dfa.is_dead_state(next) => return Some(false),
                Some(next) => state = next,
                None => return Some(true),
            }
        }
        Some(is_match_at_end(dfa, state))
    }

    /// Find the first match from byte `from` on.
    pub(super) fn find(
        &self,
        value: &[u8],
        from: usize,
        slots: &mut [Option<NonMaxUsize>],
    ) -> bool {
        match self {
            Self::General(regex) => {
                regex.search_slots(&Input::new(value).range(from..), slots).is_some()
            }
            // Not made to tell groups.
            Self::Dense { .. } => false,
        }
    }
}

/// Feed `bytes`; `None` as soon as there is a match whatever follows.
#[inline]
fn walk(dfa: &dense::DFA<Vec<u32>>, mut state: StateID, bytes: &[u8]) -> Option<StateID> {
    for &byte in bytes {
        state = dfa.next_state(state, byte);
        if dfa.is_special_state(state) {
            if dfa.is_match_state(state) {
                return None;
            }
            if dfa.is_dead_state(state) {
                return Some(state);
            }
        }
    }
    Some(state)
}

fn is_match_at_end(dfa: &dense::DFA<Vec<u32>>, state: StateID) -> bool {
    dfa.is_match_state(dfa.next_eoi_state(state))
}
