//! A second parser, written to be plainly right: one byte, one token at a time, the whole document
//! in memory.
//!
//! It is built the other way round than the real one: a lexer with the states of Prometheus'
//! lexers, which knows of no lines, and a parser that asks for tokens.

use weir::model::Format;
use weir::model::MetricType;
use weir::model::number;

use super::Item;
use super::Reading;
use super::Sample;

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Init,
    Comment,
    MetaName,
    MetaText,
    Labels,
    LabelValue,
    Value,
    Timestamp,
    Exemplar,
    ExemplarValue,
    ExemplarTimestamp,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Token {
    Invalid,
    End,
    Newline,
    Blanks,
    Help,
    Type,
    Unit,
    Eof,
    Text,
    Comment,
    ExemplarStart,
    Name,
    LabelName,
    Quoted,
    Open,
    Close,
    Equals,
    LabelValue,
    Comma,
    Number,
    Timestamp,
}

struct Lexer {
    format: Format,
    bytes: Vec<u8>,
    start: usize,
    at: usize,
    state: State,
}

type Parsed<T> = Result<T, ()>;

pub(super) fn read(format: Format, document: &[u8]) -> Reading {
    let mut bytes = document.to_vec();
    if format == Format::Text {
        bytes.push(b'\n');
    }
    let mut lexer = Lexer { format, bytes, start: 0, at: 0, state: State::Init };
    let mut items = Vec::new();
    loop {
        match lexer.entry() {
            Ok(Some(item)) => items.push(item),
            Ok(None) => return Reading { ok: true, items },
            Err(()) => return Reading { ok: false, items },
        }
    }
}

impl Lexer {
    /// The byte here; 0 at the end.
    fn byte(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    fn step(&mut self) {
        self.at += 1;
        let skips = matches!(self.state, State::LabelValue | State::MetaText | State::Comment);
        while skips && self.at < self.bytes.len() && self.bytes[self.at] == 0 {
            self.at += 1;
        }
    }

    fn step_while(&mut self, is_part: impl Fn(u8) -> bool) -> bool {
        let start = self.at;
        while self.at < self.bytes.len() && is_part(self.byte()) {
            self.step();
        }
        self.at > start
    }

    fn text(&self) -> &[u8] {
        &self.bytes[self.start..self.at.min(self.bytes.len())]
    }

    fn found(&mut self, token: Token, state: State) -> Token {
        self.state = state;
        token
    }

    fn one(&mut self, token: Token, state: State) -> Token {
        self.step();
        self.found(token, state)
    }

    /// The next token, blanks left out.
    fn next(&mut self) -> Token {
        loop {
            let token = self.token();
            if token != Token::Blanks {
                return token;
            }
        }
    }

    fn token(&mut self) -> Token {
        if self.at >= self.bytes.len() {
            return Token::End;
        }
        self.start = self.at;
        let text = self.format == Format::Text;
        if text && is_blank(self.byte()) && self.state != State::MetaText {
            self.step_while(is_blank);
            return Token::Blanks;
        }
        match self.state {
            State::Init => self.init(),
            State::Comment => unreachable!(),
            State::MetaName => match self.byte() {
                b'"' => self.quoted(true, Token::Name, State::MetaText),
                _ => self.name(Token::Name, State::MetaText, true),
            },
            State::MetaText => self.meta_text(),
            State::Labels => match self.byte() {
                b'"' => self.quoted(true, Token::Quoted, State::Labels),
                b'}' => self.one(Token::Close, State::Value),
                b'=' => self.one(Token::Equals, State::LabelValue),
                b',' => self.one(Token::Comma, State::Labels),
                _ => self.name(Token::LabelName, State::Labels, false),
            },
            State::LabelValue => self.quoted(text, Token::LabelValue, State::Labels),
            State::Value => match self.byte() {
                b'{' => self.one(Token::Open, State::Labels),
                _ => self.word(Token::Number, State::Timestamp),
            },
            State::Timestamp => self.timestamp(),
            State::Exemplar => match self.byte() {
                b'"' => self.quoted(false, Token::Quoted, State::Exemplar),
                b'}' => self.one(Token::Close, State::ExemplarValue),
                b'=' => self.one(Token::Equals, State::ExemplarValue),
                b',' => self.one(Token::Comma, State::Exemplar),
                _ => self.name(Token::LabelName, State::Exemplar, false),
            },
            State::ExemplarValue => match self.byte() {
                b'"' => self.quoted(false, Token::LabelValue, State::Exemplar),
                _ => self.word(Token::Number, State::ExemplarTimestamp),
            },
            State::ExemplarTimestamp => match self.byte() {
                b'\n' => self.one(Token::Newline, State::Init),
                _ => self.word(Token::Timestamp, State::ExemplarTimestamp),
            },
        }
    }

    fn init(&mut self) -> Token {
        match (self.byte(), self.format) {
            (b'#', Format::Text) => self.hash_text(),
            (b'#', Format::OpenMetrics) => self.hash_open_metrics(),
            (b'{', _) => self.one(Token::Open, State::Labels),
            (0, Format::Text) => Token::End,
            (b'\n', Format::Text) => self.one(Token::Newline, State::Init),
            _ => self.name(Token::Name, State::Value, true),
        }
    }

    fn name(&mut self, token: Token, state: State, colon: bool) -> Token {
        if self.byte().is_ascii_digit() {
            return Token::Invalid;
        }
        let is_part = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || (colon && b == b':');
        if self.step_while(is_part) { self.found(token, state) } else { Token::Invalid }
    }

    fn quoted(&mut self, newline: bool, token: Token, state: State) -> Token {
        if self.byte() != b'"' {
            return Token::Invalid;
        }
        loop {
            self.step();
            match self.byte() {
                0 => return Token::Invalid,
                b'\n' if !newline => return Token::Invalid,
                b'"' => return self.one(token, state),
                b'\\' => {
                    self.step();
                    if matches!(self.byte(), 0 | b'\n') {
                        return Token::Invalid;
                    }
                }
                _ => {}
            }
        }
    }

    fn word(&mut self, token: Token, state: State) -> Token {
        if self.format == Format::OpenMetrics {
            if self.byte() != b' ' {
                return Token::Invalid;
            }
            self.step();
            let is_part = |b| !matches!(b, b' ' | b'\n' | 0);
            return if self.step_while(is_part) {
                self.found(token, state)
            } else {
                Token::Invalid
            };
        }
        let is_part = |b| !matches!(b, b' ' | b'\t' | b'{' | b'\n' | 0);
        if self.step_while(is_part) { self.found(token, state) } else { Token::Invalid }
    }

    fn timestamp(&mut self) -> Token {
        if self.byte() == b'\n' {
            return self.one(Token::Newline, State::Init);
        }
        if self.format == Format::Text {
            let digits = self.step_while(|b| b.is_ascii_digit());
            return if digits { Token::Timestamp } else { Token::Invalid };
        }
        if self.bytes[self.at..].starts_with(b" # {") {
            self.at += 4;
            return self.found(Token::ExemplarStart, State::Exemplar);
        }
        if self.bytes[self.at..].starts_with(b" # ") {
            return Token::Invalid;
        }
        self.word(Token::Timestamp, State::Timestamp)
    }

    fn meta_text(&mut self) -> Token {
        if self.format == Format::OpenMetrics {
            if self.byte() != b' ' {
                return Token::Invalid;
            }
            while self.byte() != b'\n' {
                if self.at >= self.bytes.len() {
                    return Token::Invalid;
                }
                self.step();
            }
            return self.one(Token::Text, State::Init);
        }
        if self.byte() == 0 {
            return self.found(Token::Text, State::Init);
        }
        let start = self.at;
        self.step_while(is_blank);
        if self.at > start && self.byte() == b'\n' {
            return Token::Blanks;
        }
        self.step_while(|b| b != b'\n');
        self.found(Token::Text, State::Init)
    }

    fn hash_text(&mut self) -> Token {
        self.step();
        if !self.step_while(is_blank) {
            return self.comment();
        }
        self.state = State::Comment;
        for (word, token) in [("HELP", Token::Help), ("TYPE", Token::Type)] {
            let place = self.at;
            if self.keyword(word) && self.step_while(is_blank) {
                return self.found(token, State::MetaName);
            }
            if self.at > place {
                break;
            }
        }
        self.comment()
    }

    fn comment(&mut self) -> Token {
        loop {
            match self.byte() {
                0 => return Token::End,
                b'\n' => return self.found(Token::Comment, State::Init),
                _ => self.step(),
            }
        }
    }

    fn keyword(&mut self, word: &str) -> bool {
        word.bytes().all(|byte| {
            let here = self.byte() == byte;
            if here {
                self.step();
            }
            here
        })
    }

    fn hash_open_metrics(&mut self) -> Token {
        self.step();
        if self.byte() != b' ' {
            return Token::Invalid;
        }
        self.step();
        self.state = State::Comment;
        let (word, token) = match self.byte() {
            b'H' => ("HELP ", Token::Help),
            b'T' => ("TYPE ", Token::Type),
            b'U' => ("UNIT ", Token::Unit),
            _ => ("EOF", Token::Eof),
        };
        if !self.keyword(word) {
            return Token::Invalid;
        }
        if token != Token::Eof {
            return self.found(token, State::MetaName);
        }
        if self.byte() == b'\n' {
            self.step();
        }
        self.found(token, State::Init)
    }

    fn entry(&mut self) -> Parsed<Option<Item>> {
        let is_text = self.format == Format::Text;
        loop {
            match self.next() {
                Token::End if is_text => return Ok(None),
                Token::Newline => {}
                Token::Eof => return if self.next() == Token::End { Ok(None) } else { Err(()) },
                Token::Comment => {
                    self.expect(Token::Newline)?;
                    return Ok(Some(Item::Comment));
                }
                token @ (Token::Help | Token::Type | Token::Unit) => {
                    return self.meta(token).map(Some);
                }
                Token::Open => return self.sample(None).map(Some),
                Token::Name => {
                    let name = self.text().to_vec();
                    return self.sample(Some(name)).map(Some);
                }
                _ => return Err(()),
            }
        }
    }

    fn expect(&mut self, token: Token) -> Parsed<()> {
        if self.next() == token { Ok(()) } else { Err(()) }
    }

    fn meta(&mut self, kind: Token) -> Parsed<Item> {
        self.expect(Token::Name)?;
        let name = without_quotes(self.text()).to_vec();
        self.expect(Token::Text)?;
        let mut text = self.text().get(1..).unwrap_or_default().to_vec();
        if self.format == Format::Text {
            self.expect(Token::Newline)?;
        } else {
            text.pop();
        }
        match kind {
            Token::Help if std::str::from_utf8(&text).is_err() => Err(()),
            Token::Help => Ok(Item::Help(name, decode(&text, self.format == Format::OpenMetrics))),
            Token::Type => Ok(Item::Type(name, metric_type(self.format, &text).ok_or(())?)),
            _ if text.is_empty() => Ok(Item::Unit(name, text)),
            _ => {
                let ending = [&b"_"[..], &text].concat();
                if name.ends_with(&ending) { Ok(Item::Unit(name, text)) } else { Err(()) }
            }
        }
    }

    fn sample(&mut self, mut name: Option<Vec<u8>>) -> Parsed<Item> {
        let mut labels = Vec::new();
        let mut token = Token::Open;
        if name.is_some() {
            token = self.next();
        }
        if token == Token::Open {
            self.labels(&mut name, &mut labels)?;
            token = self.next();
        }
        let name = name.ok_or(())?;
        let value = self.number(token)?;
        let mut sample = Sample { name, labels, value, timestamp_ms: None, exemplar_value: None };
        let mut token = self.next();
        if token == Token::Timestamp {
            sample.timestamp_ms = Some(self.timestamp_ms()?);
            token = self.next();
        }
        if token == Token::ExemplarStart {
            self.exemplar_labels()?;
            let token = self.next();
            sample.exemplar_value = Some(self.number(token)?);
            match self.next() {
                Token::Newline => {}
                Token::Timestamp => {
                    self.timestamp_ms()?;
                    self.expect(Token::Newline)?;
                }
                _ => return Err(()),
            }
        } else if token != Token::Newline {
            return Err(());
        }
        Ok(Item::Sample(sample))
    }

    fn number(&mut self, token: Token) -> Parsed<String> {
        if token != Token::Number {
            return Err(());
        }
        let word = self.text().strip_prefix(b" ").unwrap_or(self.text());
        number::parse_value(word).map(super::text).ok_or(())
    }

    #[expect(clippy::cast_possible_truncation, reason = "saturates")]
    fn timestamp_ms(&mut self) -> Parsed<i64> {
        let word = std::str::from_utf8(self.text()).map_err(|_| ())?;
        if self.format == Format::Text {
            return word.parse().map_err(|_| ());
        }
        let seconds = number::parse_value(&word.as_bytes()[1..]).ok_or(())?;
        if seconds.is_finite() { Ok((seconds * 1000.0) as i64) } else { Err(()) }
    }

    fn labels(
        &mut self,
        name: &mut Option<Vec<u8>>,
        labels: &mut Vec<(Vec<u8>, Vec<u8>)>,
    ) -> Parsed<()> {
        let mut token = self.next();
        loop {
            let label = match token {
                Token::Close => return Ok(()),
                Token::LabelName | Token::Quoted => decode(without_quotes(self.text()), true),
                _ => return Err(()),
            };
            let quoted = token == Token::Quoted;
            token = self.next();
            if quoted && matches!(token, Token::Comma | Token::Close) {
                if name.replace(label).is_some() {
                    return Err(());
                }
                if token == Token::Comma {
                    token = self.next();
                }
                continue;
            }
            labels.push((label, self.value(token)?));
            token = self.next();
            if token == Token::Comma {
                token = self.next();
            } else if self.format == Format::OpenMetrics && token != Token::Close {
                return Err(());
            }
        }
    }

    fn exemplar_labels(&mut self) -> Parsed<()> {
        let mut token = self.next();
        while token != Token::Close {
            if !matches!(token, Token::LabelName | Token::Quoted) {
                return Err(());
            }
            token = self.next();
            self.value(token)?;
            token = self.next();
            match token {
                Token::Comma => token = self.next(),
                Token::Close => {}
                _ => return Err(()),
            }
        }
        Ok(())
    }

    /// The value of a label; `token` must be the `=` before it.
    fn value(&mut self, token: Token) -> Parsed<Vec<u8>> {
        if token != Token::Equals {
            return Err(());
        }
        self.expect(Token::LabelValue)?;
        let raw = self.text();
        std::str::from_utf8(raw).map_err(|_| ())?;
        Ok(decode(&raw[1..raw.len() - 1], true))
    }
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

fn without_quotes(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text)
}

fn decode(raw: &[u8], quotes: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < raw.len() {
        let pair = (raw[at], raw.get(at + 1));
        let decoded = match pair {
            (b'\\', Some(b'\\')) => Some(b'\\'),
            (b'\\', Some(b'n')) => Some(b'\n'),
            (b'\\', Some(b'"')) if quotes => Some(b'"'),
            _ => None,
        };
        out.push(decoded.unwrap_or(raw[at]));
        at += if decoded.is_some() { 2 } else { 1 };
    }
    out
}

fn metric_type(format: Format, word: &[u8]) -> Option<MetricType> {
    let unknown: &[u8] = if format == Format::Text { b"untyped" } else { b"unknown" };
    let known = match word {
        b"counter" => MetricType::Counter,
        b"gauge" => MetricType::Gauge,
        b"histogram" => MetricType::Histogram,
        b"summary" => MetricType::Summary,
        _ if word == unknown => MetricType::Unknown,
        b"gaugehistogram" if format == Format::OpenMetrics => MetricType::GaugeHistogram,
        b"info" if format == Format::OpenMetrics => MetricType::Info,
        b"stateset" if format == Format::OpenMetrics => MetricType::StateSet,
        _ => return None,
    };
    Some(known)
}
