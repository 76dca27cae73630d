//! Tables out of what benchmarks print: those in Markdown, and the trees of divan.

use serde::Serialize;

/// A table, and the benchmark that printed it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Table {
    pub benchmark: String,
    /// What it calls this one, if it prints several.
    pub title: String,
    pub head: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// All tables in what `benchmark` has printed.
    pub fn read(benchmark: &str, text: &str) -> Vec<Self> {
        let mut tables: Vec<Self> = Vec::new();
        let (mut title, mut is_inside) = ("", false);
        for line in text.lines() {
            match cells(line) {
                None => {
                    is_inside = false;
                    title = line.strip_prefix("### ").unwrap_or(title);
                }
                Some(cells) if is_inside => match tables.last_mut() {
                    Some(table) if !is_rule(&cells) => table.rows.push(cells),
                    _ => {}
                },
                Some(head) => {
                    is_inside = true;
                    let (benchmark, title) = (benchmark.to_owned(), title.to_owned());
                    tables.push(Self { benchmark, title, head, rows: Vec::new() });
                }
            }
        }
        tables.extend(Self::of_divan(benchmark, text));
        tables.retain(|table| !table.rows.is_empty());
        tables
    }

    /// `╰─ frame   1.2 us   │ 1.3 us   │ ...`, below what the line before it names.
    fn of_divan(benchmark: &str, text: &str) -> Option<Self> {
        let head = text.lines().find(|line| line.contains("fastest") && line.contains("median"))?;
        let titles = head.split('│').map(|title| last_word(title).to_owned());
        let mut table = Self {
            benchmark: benchmark.to_owned(),
            title: String::new(),
            head: [String::new()].into_iter().chain(titles).collect(),
            rows: Vec::new(),
        };
        let mut path: Vec<&str> = Vec::new();
        for line in text.lines().skip_while(|line| *line != head).skip(1) {
            // A branch is three letters wide; a line without a name goes on with its columns.
            let branch = line.chars().take_while(|letter| "│├╰─ ".contains(*letter)).count();
            let rest: String = line.chars().skip(branch).collect();
            let Some(name) = line.find(|letter| !"│├╰─ ".contains(letter)) else {
                continue;
            };
            if branch % 3 != 0 || !line[..name].contains('─') {
                continue;
            }
            let mut columns = rest.split('│').map(str::trim);
            let (name, fastest) = split_name(columns.next().unwrap_or_default());
            path.truncate(branch / 3 - 1);
            let name_at = line.find(name).unwrap_or_default();
            path.push(&line[name_at..name_at + name.len()]);
            if !fastest.is_empty() {
                let values = [fastest].into_iter().chain(columns).map(str::to_owned);
                table.rows.push([path.join(" ")].into_iter().chain(values).collect());
            }
        }
        Some(table)
    }

    /// In Markdown, numbers to the right.
    pub fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let rules = (0..self.head.len()).map(|column| {
            let mut cells = self.rows.iter().filter_map(|row| row.get(column));
            let is_right = cells.all(|cell| number(cell).is_some() || cell.len() < 2);
            if is_right { "--:" } else { "---" }.to_owned()
        });
        let rules = line(&rules.collect::<Vec<_>>());
        let rows: String = self.rows.iter().map(|row| line(row)).collect();
        line(&self.head) + &rules + &rows
    }

    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.head.iter().position(|title| title == name)
    }
}

/// The number that a cell begins with: `96 %`, `1.25 MB/s`.
pub fn number(cell: &str) -> Option<f64> {
    let end = cell.find(|letter: char| !letter.is_ascii_digit() && letter != '.');
    let (digits, rest) = cell.split_at(end.unwrap_or(cell.len()));
    // What goes on without a space is a name.
    let is_alone = rest.is_empty() || rest.starts_with(' ');
    digits.parse().ok().filter(|_| is_alone)
}

/// Those of a line of a table.
fn cells(line: &str) -> Option<Vec<String>> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(inner.split('|').map(|cell| cell.trim().to_owned()).collect())
}

/// Whether it is the line below the head.
fn is_rule(cells: &[String]) -> bool {
    cells.iter().all(|cell| !cell.is_empty() && cell.chars().all(|letter| "-:".contains(letter)))
}

fn last_word(title: &str) -> &str {
    title.split_whitespace().next_back().unwrap_or_default()
}

/// The name of a row, and what stands behind it with more than one space between.
fn split_name(text: &str) -> (&str, &str) {
    let (name, rest) = text.split_once("  ").unwrap_or((text, ""));
    (name, rest.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_markdown_are_found_between_words() {
        let text = "Words | and more\n\n| line | up |\n|---|--:|\n| a, b | 96 % |\n|  | - |\n\n\
                    | empty |\n|---|\n\n### A title\n\n| x |\n|--|\n| 1 |\n";
        let tables = Table::read("some", text);
        let [first, second] = &tables[..] else { panic!("{tables:?}") };
        assert_eq!(first.head, ["line", "up"]);
        assert_eq!(first.rows, [["a, b", "96 %"], ["", "-"]]);
        assert_eq!((&*second.benchmark, &*second.head[0]), ("some", "x"));
        assert_eq!((&*first.title, &*second.title), ("", "A title"));
        let shown = "| line | up |\n| --- | --: |\n| a, b | 96 % |\n|  | - |\n";
        assert_eq!(first.markdown(), shown);
    }

    #[test]
    fn a_tree_of_divan_becomes_a_row_for_each_leaf() {
        let text = "\
Timer precision: 21 ns
codec            fastest       │ slowest       │ median        │ mean          │ samples │ iters
├─ decode                      │               │               │               │         │
│  ├─ frame                    │               │               │               │         │
│  │  ├─ 1024   732.1 ns      │ 1.2 us        │ 740 ns        │ 750 ns        │ 100     │ 6400
│  │  │         1.398 GB/s    │ 800 MB/s      │ 1.3 GB/s      │ 1.3 GB/s      │         │
│  │  ╰─ 16384  10.4 us       │ 12 us         │ 10.5 us       │ 10.6 us       │ 100     │ 6400
│  ╰─ plain      3 ns          │ 4 ns          │ 3 ns          │ 3 ns          │ 100     │ 100
╰─ write         5 ns          │ 6 ns          │ 5 ns          │ 5 ns          │ 100     │ 100
";
        let tables = Table::read("codec", text);
        let [table] = &tables[..] else { panic!("{tables:?}") };
        assert_eq!(table.head, ["", "fastest", "slowest", "median", "mean", "samples", "iters"]);
        let names: Vec<_> = table.rows.iter().map(|row| &*row[0]).collect();
        let expected = ["decode frame 1024", "decode frame 16384", "decode plain", "write"];
        assert_eq!(names, expected);
        assert_eq!(table.rows[1][1..4], ["10.4 us", "12 us", "10.5 us"]);
    }

    #[test]
    fn a_cell_begins_with_its_number() {
        let numbers = [("96 %", 96.0), ("1.25 MB/s", 1.25), ("830", 830.0)];
        for (cell, expected) in numbers {
            assert_eq!(number(cell), Some(expected), "{cell}");
        }
        for cell in ["-", "", "no fault", "1st", "60KB"] {
            assert_eq!(number(cell), None, "{cell}");
        }
    }
}
