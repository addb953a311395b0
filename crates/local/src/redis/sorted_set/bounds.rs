//! Bounds of ranges of sorted sets: by rank, by score, by member. All become ranges of ranks.

use std::ops::Range;

use super::super::fault::Fault;
use super::super::integer::integer;
use super::super::list::span;
use super::super::score;
use crate::value::sorted_set::SortedSet;

/// The measure of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Rank,
    Score,
    Lex,
}

/// A bound by score.
#[derive(Debug, Clone, Copy)]
pub(super) struct ScoreBound {
    score: f64,
    exclusive: bool,
}

impl ScoreBound {
    fn parse(text: &[u8]) -> Result<ScoreBound, Fault> {
        let (exclusive, number) = match text {
            [b'(', number @ ..] => (true, number),
            number => (false, number),
        };
        let score = score::parse_loosely(number).ok_or(Fault::SCORE_RANGE)?;
        Ok(ScoreBound { score, exclusive })
    }
}

/// A bound by member.
#[derive(Debug, Clone, Copy)]
pub(super) enum LexBound<'a> {
    Least,
    Most,
    Including(&'a [u8]),
    Excluding(&'a [u8]),
}

impl<'a> LexBound<'a> {
    fn parse(text: &'a [u8]) -> Result<LexBound<'a>, Fault> {
        match text {
            b"-" => Ok(LexBound::Least),
            b"+" => Ok(LexBound::Most),
            [b'[', member @ ..] => Ok(LexBound::Including(member)),
            [b'(', member @ ..] => Ok(LexBound::Excluding(member)),
            _ => Err(Fault::LEX_RANGE),
        }
    }

    /// True for members below this lower bound.
    fn is_above(self, member: &[u8]) -> bool {
        match self {
            LexBound::Least => false,
            LexBound::Most => true,
            LexBound::Including(bound) => member < bound,
            LexBound::Excluding(bound) => member <= bound,
        }
    }

    /// True for members up to this upper bound.
    fn reaches(self, member: &[u8]) -> bool {
        match self {
            LexBound::Least => false,
            LexBound::Most => true,
            LexBound::Including(bound) => member <= bound,
            LexBound::Excluding(bound) => member < bound,
        }
    }
}

/// A range as a client gives it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bounds<'a> {
    Rank(i64, i64),
    Score(ScoreBound, ScoreBound),
    Lex(LexBound<'a>, LexBound<'a>),
}

impl<'a> Bounds<'a> {
    /// Parses the lower and the upper bound.
    pub(super) fn parse(by: By, low: &'a [u8], high: &'a [u8]) -> Result<Bounds<'a>, Fault> {
        match by {
            By::Rank => Ok(Bounds::Rank(integer(low)?, integer(high)?)),
            By::Score => Ok(Bounds::Score(ScoreBound::parse(low)?, ScoreBound::parse(high)?)),
            By::Lex => Ok(Bounds::Lex(LexBound::parse(low)?, LexBound::parse(high)?)),
        }
    }

    /// The ranks that it covers; by rank, counted from the top if `reversed`.
    pub(super) fn ranks(&self, set: &SortedSet, reversed: bool) -> Range<usize> {
        let (start, end) = match *self {
            Bounds::Rank(start, stop) => {
                let range = span(start, stop, set.len());
                return if reversed { set.len() - range.end..set.len() - range.start } else { range };
            }
            Bounds::Score(low, high) => (
                set.count_while(|score, _| score < low.score || (low.exclusive && score == low.score)),
                set.count_while(|score, _| score < high.score || (!high.exclusive && score == high.score)),
            ),
            Bounds::Lex(low, high) => (
                set.count_while(|_, member| low.is_above(member)),
                set.count_while(|_, member| high.reaches(member)),
            ),
        };
        start..end.max(start)
    }
}
