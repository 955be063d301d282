//! Expressions that need no automaton: words, choices of words, and words with gaps between.
//!
//! A tree is a shape if, between its anchors, it is a sequence of words (or a limited number of
//! alternative words) and of gaps, `.*` or `.+`, where `.` matches everything. Every word and every
//! gap of such a sequence begins and ends between characters, so bytes may be compared.

// Words are short: comparing them in place beats calling the C library.
use memchr::arch::all::is_equal;
use memchr::arch::all::is_prefix;
use memchr::arch::all::is_suffix;
use memchr::memmem::Finder;
use regex_syntax::hir::Class;
use regex_syntax::hir::Hir;
use regex_syntax::hir::HirKind;
use regex_syntax::hir::Look;
use regex_syntax::hir::Repetition;

/// The most alternative words: beyond, an automaton is smaller and as fast.
const WORDS_MAX: usize = 256;
/// The most alternatives that are worth comparing one by one with either end of a value, and
/// searching one by one in its middle.
const ENDS_MAX: usize = 12;
const SOUGHT_MAX: usize = 4;

/// One recognised expression.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// `.*`
    Anything,
    /// `.+`
    Something,
    /// One word.
    Word(Box<[u8]>),
    /// One of several words.
    Words(Words),
    /// Words with gaps between.
    Gaps(Box<Gaps>),
}

/// Alternative words, shortest first.
#[derive(Clone, Debug)]
pub(super) struct Words {
    all: Box<[Box<[u8]>]>,
    /// The words of `n` bytes are those from `starts[n]` to `starts[n + 1]`. Long ones share the
    /// last length.
    starts: Box<[u16; LENGTHS + 1]>,
}

/// How many lengths are told apart.
const LENGTHS: usize = 64;

/// `prefix gap (word gap)* suffix`
#[derive(Clone, Debug)]
pub(super) struct Gaps {
    prefix: Box<[Box<[u8]>]>,
    /// Whether the first gap takes at least one character.
    first: bool,
    middle: Box<[(Box<[Finder<'static>]>, bool)]>,
    suffix: Box<[Box<[u8]>]>,
    bytes_min: usize,
}

/// A part of a sequence.
enum Part {
    /// One of these words.
    Words(Vec<Vec<u8>>),
    /// A gap; true if it takes at least one character.
    Gap(bool),
}

impl Shape {
    /// Recognise the expression, which must be anchored at both ends.
    pub(super) fn new(hir: &Hir) -> Option<Self> {
        let parts = parts(between_anchors(hir)?)?;
        let mut parts = parts.into_iter();
        let Some(first) = parts.next() else { return Some(Self::Word(Box::default())) };
        let rest: Vec<_> = parts.collect();
        match (first, rest.is_empty()) {
            (Part::Gap(false), true) => Some(Self::Anything),
            (Part::Gap(true), true) => Some(Self::Something),
            (Part::Words(mut words), true) => {
                if words.len() == 1 {
                    return Some(Self::Word(words.pop()?.into()));
                }
                Some(Self::Words(Words::new(words)))
            }
            (first, false) => Gaps::new(first, rest).map(|gaps| Self::Gaps(Box::new(gaps))),
        }
    }

    /// Whether `value`, which is UTF-8, matches.
    #[inline]
    pub(super) fn is_match(&self, value: &[u8]) -> bool {
        match self {
            Self::Anything => true,
            Self::Something => !value.is_empty(),
            Self::Word(word) => is_equal(word, value),
            Self::Words(words) => words.contains(value),
            Self::Gaps(gaps) => gaps.is_match(value),
        }
    }
}

impl Words {
    fn new(words: Vec<Vec<u8>>) -> Self {
        let all = sorted(words);
        let starts = std::array::from_fn(|length| {
            let start = all.partition_point(|word| length_class(word) < length);
            // There are at most `WORDS_MAX`.
            u16::try_from(start).unwrap_or(u16::MAX)
        });
        Self { all, starts: Box::new(starts) }
    }

    #[inline]
    fn contains(&self, value: &[u8]) -> bool {
        let length = length_class(value);
        let range = usize::from(self.starts[length])..usize::from(self.starts[length + 1]);
        let words = self.all.get(range).unwrap_or_default();
        words.iter().any(|word| is_equal(word, value))
    }
}

#[inline]
fn length_class(text: &[u8]) -> usize {
    text.len().min(LENGTHS - 1)
}

/// Shortest first, each once.
fn sorted(mut words: Vec<Vec<u8>>) -> Box<[Box<[u8]>]> {
    words.sort_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
    words.dedup();
    words.into_iter().map(Vec::into_boxed_slice).collect()
}

impl Gaps {
    fn new(first: Part, rest: Vec<Part>) -> Option<Self> {
        let mut rest = rest.into_iter();
        let (prefix, first) = match first {
            Part::Gap(gap) => (vec![Vec::new()], gap),
            Part::Words(words) => match rest.next() {
                Some(Part::Gap(gap)) => (words, gap),
                _ => return None,
            },
        };
        // From here on words and gaps take turns.
        let (mut middle, mut suffix) = (Vec::new(), vec![Vec::new()]);
        while let Some(Part::Words(words)) = rest.next() {
            match rest.next() {
                None => suffix = words,
                Some(Part::Gap(next)) => middle.push((finders(&words)?, next)),
                Some(Part::Words(_)) => return None,
            }
        }
        if prefix.len() > ENDS_MAX || suffix.len() > ENDS_MAX {
            return None;
        }
        let (prefix, suffix) = (sorted(prefix), sorted(suffix));
        let shortest = |words: &[Box<[u8]>]| words.first().map_or(0, |word| word.len());
        let bytes_min = shortest(&prefix) + shortest(&suffix) + usize::from(first);
        Some(Self { prefix, first, middle: middle.into(), suffix, bytes_min })
    }

    fn is_match(&self, value: &[u8]) -> bool {
        if value.len() < self.bytes_min {
            return false;
        }
        // Gaps take whatever is left, so the shortest word that fits at either end and the
        // earliest end of each word between leave most room for the rest.
        let Some(start) = self.prefix.iter().find(|word| is_prefix(value, word)) else {
            return false;
        };
        let Some(rest) = value.get(start.len()..) else { return false };
        let Some(end) = self.suffix.iter().find(|word| is_suffix(rest, word)) else {
            return false;
        };
        let Some(mut rest) = rest.get(..rest.len() - end.len()) else { return false };
        let mut needs_one = self.first;
        for (finders, next) in &self.middle {
            let Some(room) = rest.get(usize::from(needs_one)..) else { return false };
            let ends = finders
                .iter()
                .filter_map(|finder| finder.find(room).map(|at| at + finder.needle().len()));
            let Some(behind) = ends.min().and_then(|at| room.get(at..)) else { return false };
            rest = behind;
            needs_one = *next;
        }
        !needs_one || !rest.is_empty()
    }
}

/// What looks for words between gaps; `None` if there are too many, or one is empty and so might
/// be found inside a character.
fn finders(words: &[Vec<u8>]) -> Option<Box<[Finder<'static>]>> {
    if words.len() > SOUGHT_MAX || words.iter().any(Vec::is_empty) {
        return None;
    }
    Some(words.iter().map(|word| Finder::new(word).into_owned()).collect())
}

/// How many bytes of the value lie before and behind group 1, if the expression is one that is
/// anchored, has that group only, and the group spans its only gap.
pub(super) fn gap(hir: &Hir) -> Option<(usize, usize)> {
    let inner = between_anchors(hir)?;
    let (before, group, behind) = match inner {
        [group] => (0, group, 0),
        [word, group] if word_len(word).is_some() => (word_len(word)?, group, 0),
        [group, word] => (0, group, word_len(word)?),
        [first, group, last] => (word_len(first)?, group, word_len(last)?),
        _ => return None,
    };
    let HirKind::Capture(capture) = group.kind() else { return None };
    gap_kind(&capture.sub).map(|_| (before, behind))
}

fn word_len(hir: &Hir) -> Option<usize> {
    match hir.kind() {
        HirKind::Literal(word) => Some(word.0.len()),
        _ => None,
    }
}

/// What stands between `^` in front and `$` behind.
fn between_anchors(hir: &Hir) -> Option<&[Hir]> {
    let HirKind::Concat(subs) = hir.kind() else { return None };
    let [first, inner @ .., last] = &**subs else { return None };
    let is_look = |hir: &Hir, look| matches!(hir.kind(), HirKind::Look(found) if *found == look);
    (is_look(first, Look::Start) && is_look(last, Look::End)).then_some(inner)
}

/// The parts of a sequence, neighbouring words joined; `None` if there is anything else in it.
fn parts(sequence: &[Hir]) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    for hir in sequence {
        add(hir, &mut parts)?;
    }
    Some(parts)
}

fn add(hir: &Hir, parts: &mut Vec<Part>) -> Option<()> {
    if let Some(gap) = gap_kind(hir) {
        match (parts.last_mut(), gap) {
            // Two characters at least: not a gap of ours.
            (Some(Part::Gap(true)), true) => return None,
            (Some(Part::Gap(before)), _) => *before |= gap,
            _ => parts.push(Part::Gap(gap)),
        }
        return Some(());
    }
    match hir.kind() {
        HirKind::Capture(capture) => return add(&capture.sub, parts),
        HirKind::Concat(subs) => return subs.iter().try_for_each(|sub| add(sub, parts)),
        _ => {}
    }
    let words = words(hir)?;
    match parts.last_mut() {
        Some(Part::Words(before)) => *before = product(before, &words)?,
        _ => parts.push(Part::Words(words)),
    }
    Some(())
}

/// Whether a repetition of any characters takes at least one; `None` if it is something else.
fn gap_kind(hir: &Hir) -> Option<bool> {
    let HirKind::Repetition(Repetition { min: min @ (0 | 1), max: None, sub, .. }) = hir.kind()
    else {
        return None;
    };
    let HirKind::Class(Class::Unicode(set)) = sub.kind() else { return None };
    // In two ranges, as there are no surrogates; or in one.
    let all = Hir::dot(regex_syntax::hir::Dot::AnyChar);
    let HirKind::Class(Class::Unicode(any)) = all.kind() else { return None };
    (set == any).then_some(*min == 1)
}

/// All texts a tree matches, if they are few.
fn words(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    let found = match hir.kind() {
        HirKind::Empty => vec![Vec::new()],
        HirKind::Literal(word) => vec![word.0.to_vec()],
        HirKind::Class(Class::Unicode(set)) => {
            let chars = set.iter().flat_map(|range| range.start()..=range.end());
            let encoded = chars.map(|c| c.encode_utf8(&mut [0; 4]).as_bytes().to_vec());
            encoded.take(WORDS_MAX + 1).collect()
        }
        HirKind::Capture(capture) => words(&capture.sub)?,
        HirKind::Concat(subs) => {
            let empty = vec![Vec::new()];
            subs.iter().try_fold(empty, |before, sub| product(&before, &words(sub)?))?
        }
        HirKind::Alternation(subs) => {
            let mut all = Vec::new();
            for sub in subs {
                all.extend(words(sub)?);
                if all.len() > WORDS_MAX {
                    return None;
                }
            }
            all
        }
        HirKind::Repetition(Repetition { min: 0, max: Some(1), sub, .. }) => {
            let mut all = words(sub)?;
            all.push(Vec::new());
            all
        }
        HirKind::Repetition(_) | HirKind::Class(Class::Bytes(_)) | HirKind::Look(_) => return None,
    };
    (!found.is_empty() && found.len() <= WORDS_MAX).then_some(found)
}

fn product(before: &[Vec<u8>], behind: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
    if before.len() * behind.len() > WORDS_MAX {
        return None;
    }
    let pairs = before.iter().flat_map(|first| {
        behind.iter().map(move |second| [first.as_slice(), second.as_slice()].concat())
    });
    Some(pairs.collect())
}
