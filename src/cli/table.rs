//! Tables. On a terminal they fit its width: a long key stands above its row, names are shortened, and sentences are
//! wrapped, beside the row where there is room and below it where there is not. A key is never shortened, because it
//! is pasted into the next command.

use super::screen::{Hue, Words};

/// Columns between two cells.
const GAP: usize = 2;
/// How far lines below a row are moved to the right.
const BELOW: usize = 2;
/// A column of keys gets at least this much.
const KEY_MIN: usize = 8;
/// Names are shortened to this before a key has to leave its row, and to the other one after that.
const NAME_USUAL: usize = 24;
const NAME_MIN: usize = 8;
/// A sentence stands beside its row where it gets at least this much.
const BESIDE_MIN: usize = 40;

/// How the cells of a column are made to fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// Never shortened; where it is too long, it stands above its row.
    Key,
    /// Never shortened.
    Whole,
    /// Never shortened, and at the right: numbers.
    Amount,
    /// Shortened where there is no room.
    Name,
    /// Wrapped; the last column only.
    Sentence,
}

#[derive(Debug)]
struct Row {
    cells: Vec<Words>,
    /// Lines below it.
    notes: Vec<Words>,
}

/// Rows below a heading.
#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<(&'static str, Fit)>,
    rows: Vec<Row>,
}

impl Table {
    /// A table with these columns; one in which every cell is empty is not shown.
    pub(super) fn new(columns: &[(&'static str, Fit)]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// One more row.
    pub(super) fn row<const CELLS: usize>(&mut self, cells: [Words; CELLS]) {
        debug_assert_eq!(CELLS, self.columns.len());
        self.rows.push(Row { cells: cells.into(), notes: Vec::new() });
    }

    /// A line below the last row.
    pub(super) fn note(&mut self, words: impl Into<Words>) {
        if let Some(row) = self.rows.last_mut() {
            row.notes.push(words.into());
        }
    }

    /// As lines of at most this width, if there is one.
    pub(super) fn lines(&self, width: Option<usize>) -> Vec<Words> {
        if self.rows.is_empty() {
            return Vec::new();
        }
        let layout = Layout::of(self, width);
        let heads: Vec<Words> = self.columns.iter().map(|(head, _)| Hue::Faint.of(head)).collect();
        let mut lines = Vec::new();
        if heads.iter().any(|head| !head.is_empty()) {
            lines.extend(layout.row(&heads).into_iter().take(1));
        }
        for row in &self.rows {
            lines.extend(layout.row(&row.cells));
            lines.extend(row.notes.iter().flat_map(|note| layout.below(note)));
        }
        lines
    }
}

/// The width of each column.
#[derive(Debug)]
struct Layout {
    width: Option<usize>,
    columns: Vec<Column>,
    /// Sentences stand below their rows.
    below: bool,
}

#[derive(Clone, Copy, Debug)]
struct Column {
    fit: Fit,
    width: usize,
    empty: bool,
}

impl Layout {
    fn of(table: &Table, width: Option<usize>) -> Self {
        let cells = |place: usize| table.rows.iter().filter_map(move |row| row.cells.get(place));
        let columns = table.columns.iter().enumerate().map(|(place, (head, fit))| {
            let widest = cells(place).map(Words::width).max().unwrap_or_default();
            Column { fit: *fit, width: widest.max(Words::from(head).width()), empty: widest == 0 }
        });
        let mut layout = Self { width, columns: columns.collect(), below: false };
        let Some(width) = width else { return layout };
        let keys: Vec<usize> = match layout.columns.iter().position(|column| column.fit == Fit::Key) {
            Some(place) => cells(place).map(Words::width).collect(),
            None => Vec::new(),
        };
        let beside = layout.sentence().min(BESIDE_MIN);
        layout.shorten_names(NAME_USUAL, |layout| layout.spare(width) < beside || layout.excess(width) > 0);
        if layout.spare(width) < beside || layout.excess(width) > 0 {
            layout.below = true;
            layout.move_keys(width, &keys);
            layout.shorten_names(NAME_MIN, |layout| layout.excess(width) > 0);
        }
        let spare = layout.spare(width);
        for column in layout.columns.iter_mut().filter(|column| column.fit == Fit::Sentence) {
            column.width = spare;
        }
        layout
    }

    fn sentence(&self) -> usize {
        let sentence = self.columns.iter().find(|column| column.fit == Fit::Sentence && !column.empty);
        sentence.map_or(0, |column| column.width)
    }

    /// What all columns but that of sentences need.
    fn needed(&self) -> usize {
        let beside = self.columns.iter().filter(|column| !column.empty && column.fit != Fit::Sentence);
        beside.map(|column| column.width.saturating_add(GAP)).sum()
    }

    fn spare(&self, width: usize) -> usize {
        width.saturating_sub(self.needed())
    }

    /// How much the columns are too wide by; behind the last one there is no gap.
    fn excess(&self, width: usize) -> usize {
        self.needed().saturating_sub(GAP).saturating_sub(width)
    }

    /// Lets keys stand above their rows where they are too long for it.
    fn move_keys(&mut self, width: usize, keys: &[usize]) {
        let excess = self.excess(width);
        for column in self.columns.iter_mut().filter(|column| column.fit == Fit::Key) {
            let room = column.width.saturating_sub(excess).max(KEY_MIN);
            let fitting = keys.iter().copied().filter(|key| *key <= room).max();
            column.width = fitting.unwrap_or(KEY_MIN).max(KEY_MIN).min(column.width);
        }
    }

    /// Shortens names, the longest first, for as long as that is needed.
    fn shorten_names(&mut self, width_min: usize, needed: impl Fn(&Self) -> bool) {
        while needed(self) {
            let names = self.columns.iter_mut().filter(|column| column.fit == Fit::Name && column.width > width_min);
            let Some(longest) = names.max_by_key(|column| column.width) else { return };
            longest.width = longest.width.saturating_sub(1);
        }
    }

    /// A row: its key above it where that is too long, and its sentence beside or below it.
    fn row(&self, cells: &[Words]) -> Vec<Words> {
        let (mut lines, mut line, mut place) = (Vec::new(), Words::default(), 0_usize);
        let mut sentence = None;
        for (column, cell) in self.columns.iter().zip(cells).filter(|(column, _)| !column.empty) {
            if column.fit == Fit::Sentence {
                sentence = Some((cell, column));
                continue;
            }
            let free = place.saturating_sub(line.width());
            line = line.then(Words::default().moved(free));
            if column.fit == Fit::Key && cell.width() > column.width {
                lines.push(line.then(cell.clone()));
                line = Words::default();
            } else {
                let cell = if column.fit == Fit::Name { cell.shortened(column.width) } else { cell.clone() };
                let before = column.width.saturating_sub(cell.width());
                line = line.then(cell.moved(if column.fit == Fit::Amount { before } else { 0 }));
            }
            place = place.saturating_add(column.width).saturating_add(GAP);
        }
        let Some((sentence, column)) = sentence.filter(|(sentence, _)| !sentence.is_empty()) else {
            lines.push(line);
            return lines;
        };
        if self.below {
            lines.push(line);
            lines.extend(self.below(sentence));
            return lines;
        }
        let parts = if self.width.is_some() { sentence.wrapped(column.width) } else { vec![sentence.clone()] };
        for part in parts {
            let free = place.saturating_sub(line.width());
            lines.push(std::mem::take(&mut line).then(part.moved(free)));
        }
        lines
    }

    /// Text below a row.
    fn below(&self, words: &Words) -> Vec<Words> {
        let parts = match self.width {
            Some(width) => words.wrapped(width.saturating_sub(BELOW)),
            None => vec![words.clone()],
        };
        parts.into_iter().map(|part| part.moved(BELOW)).collect()
    }
}

#[cfg(test)]
mod tests;
