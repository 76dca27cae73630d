//! Texts in columns, no wider than a terminal, whose widths are counted as terminals do.

use unicode_width::UnicodeWidthStr;

use super::cut::cut;

/// Rows of cells, each of them in one line.
pub(super) struct Columns {
    rows: Vec<Vec<String>>,
}

/// What becomes of columns for which there is no room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Yielding {
    /// One that takes a third of the width at most before any goes.
    pub(super) third: Option<usize>,
    /// The columns that go, one after the other.
    pub(super) leaving: &'static [usize],
    /// The one whose texts are shortened when those have gone.
    pub(super) shortened: usize,
    /// One that goes only when next to nothing of that would be left.
    pub(super) last: Option<usize>,
}

impl Columns {
    pub(super) fn new(mut rows: Vec<Vec<String>>) -> Self {
        let count = rows.iter().map(Vec::len).max().unwrap_or_default();
        rows.iter_mut().for_each(|row| row.resize(count, String::new()));
        Self { rows }
    }

    /// Lines of at most `width`, if there is one. `painted` gives a cell of a row and a column its
    /// colour.
    pub(super) fn lines(
        mut self,
        width: Option<usize>,
        yielding: Yielding,
        painted: impl Fn(usize, usize, String) -> String,
    ) -> Vec<String> {
        let mut widths = self.widths();
        if let Some(width) = width {
            self.fit(&mut widths, width, yielding);
        }
        let last = widths.iter().rposition(|width| *width > 0);
        let line = |(row, cells): (usize, &Vec<String>)| {
            let mut line = String::new();
            for (column, cell) in cells.iter().enumerate().filter(|(column, _)| widths[*column] > 0)
            {
                let taken = cell.width();
                let rest = match Some(column) == last {
                    true => 0,
                    false => (widths[column] + GAP).saturating_sub(taken),
                };
                line.push_str(&painted(row, column, cell.clone()));
                line.extend(std::iter::repeat_n(' ', rest));
            }
            line.truncate(line.trim_end().len());
            line
        };
        self.rows.iter().enumerate().map(line).collect()
    }

    fn widths(&self) -> Vec<usize> {
        let count = self.rows.first().map_or(0, Vec::len);
        let widest = |column: usize| self.rows.iter().map(|row| row[column].width()).max();
        (0..count).map(|column| widest(column).unwrap_or_default()).collect()
    }

    /// Takes columns away, whose width is 0 then, and shortens those that may be.
    fn fit(&mut self, widths: &mut [usize], width: usize, yielding: Yielding) {
        let Yielding { third, leaving, shortened, last } = yielding;
        let count = widths.len();
        if count == 0 {
            return;
        }
        if total(widths) > width
            && let Some(third) = third.filter(|third| *third < count)
        {
            self.shorten(widths, third, (width / 3).max(LEAST));
        }
        let mut leaving = leaving.iter().copied().filter(|column| *column < count);
        while total(widths) > width
            && let Some(column) = leaving.next()
        {
            widths[column] = 0;
        }
        let room = |widths: &[usize]| {
            let others = total(widths) - widths[shortened];
            width.saturating_sub(others)
        };
        if let Some(last) = last.filter(|last| *last < widths.len())
            && room(widths) < widths[shortened].min(LEAST)
        {
            widths[last] = 0;
        }
        let room = room(widths).max(1);
        self.shorten(widths, shortened, room);
    }

    fn shorten(&mut self, widths: &mut [usize], column: usize, room: usize) {
        if widths[column] > room {
            widths[column] = room;
            self.rows.iter_mut().for_each(|row| row[column] = cut(&row[column], room));
        }
    }
}

fn total(widths: &[usize]) -> usize {
    let shown = widths.iter().filter(|width| **width > 0);
    let count = shown.clone().count();
    shown.sum::<usize>() + GAP * count.saturating_sub(1)
}

/// Blanks between two columns.
pub(super) const GAP: usize = 2;
/// Of the shortened column.
const LEAST: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    const YIELDING: Yielding =
        Yielding { third: None, leaving: &[3, 2], shortened: 0, last: Some(4) };

    fn lines(rows: &[&[&str]], width: usize) -> Vec<String> {
        let rows = rows.iter().map(|row| row.iter().map(ToString::to_string).collect());
        Columns::new(rows.collect()).lines(Some(width), YIELDING, |_, _, cell| cell)
    }

    #[test]
    fn columns_go_in_their_order_and_then_names_are_shortened() {
        let rows: &[&[&str]] =
            &[&["a name", "i-1", "addr", "os", "up"], &["b", "i-22", "", "o", ""]];
        for (width, first, second) in [
            (28, "a name  i-1   addr  os  up", "b       i-22        o"),
            (25, "a name  i-1   addr  up", "b       i-22"),
            (19, "a name  i-1   up", "b       i-22"),
            (15, "a name  i-1", "b       i-22"),
            (11, "a na…  i-1", "b      i-22"),
            (9, "a…   i-1", "b    i-22"),
            (3, "…  i-1", "b  i-22"),
        ] {
            assert_eq!(lines(rows, width), [first, second], "{width}");
        }
    }

    #[test]
    fn no_rows_are_no_lines() {
        assert_eq!(lines(&[], 80), [""; 0]);
    }

    #[test]
    fn one_long_name_takes_no_room_from_the_rest() {
        const YIELDING: Yielding =
            Yielding { third: Some(0), leaving: &[2], shortened: 1, last: None };
        let long = "a-name-longer-than-all-the-rest";
        let rows = vec![vec![long.to_owned(), "port 5432".to_owned(), "-".to_owned()]; 1];
        let lines = Columns::new(rows).lines(Some(30), YIELDING, |_, _, cell| cell);
        assert_eq!(lines, ["a-name-lo\u{2026}  port 5432  -"]);
    }

    #[test]
    fn widths_are_those_of_terminals() {
        let rows: &[&[&str]] = &[&["웹서버", "i-1"], &["web", "i-2"]];
        assert_eq!(lines(rows, 80), ["웹서버  i-1", "web     i-2"]);
        assert_eq!(lines(rows, 10), ["웹서…  i-1", "web    i-2"]);
        assert_eq!(lines(rows, 9), ["웹…   i-1", "web   i-2"]);
    }

    #[test]
    fn a_name_whose_characters_make_one_another_wider_fits() {
        let name = "\u{26a0}\u{fe0f}".repeat(30);
        for width in 4..80 {
            let rows: [&[&str]; 1] = [&[&name, "i-0123456789abcdef0", "", "", "", ""]];
            assert_eq!(lines(&rows, width).len(), 1);
        }
    }
}
