//! Tables and pictures of what the benchmarks have printed, which `scripts/figures` runs.
//!
//! `cargo bench --bench figures -- FOLDER` reads `FOLDER/raw` and writes `results.md`,
//! `results.json` and an SVG for each of [`CHARTS`] whose benchmark was run.

mod chart;
#[cfg_attr(test, expect(unused_imports, reason = "its tests are run with those of the protocol"))]
mod tables;

use std::{collections::BTreeMap, env, error::Error, fs, path::Path, process::ExitCode};

use serde_json::json;

use chart::{Bar, Chart};
use tables::{Table, number};

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).filter(|word| word != "--bench").collect();
    let [folder] = &arguments[..] else {
        // As one of all benchmarks it has nothing to do.
        println!("To draw what benchmarks have printed, run scripts/figures.");
        return ExitCode::SUCCESS;
    };
    match collect(Path::new(folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{folder}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn collect(folder: &Path) -> Result<(), Box<dyn Error>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder.join("raw"))? {
        paths.push(entry?.path());
    }
    paths.retain(|path| path.extension().is_some_and(|kind| kind == "txt"));
    paths.sort();
    let (mut tables, mut abouts) = (Vec::new(), BTreeMap::new());
    for path in paths {
        let benchmark = path.file_stem().unwrap_or_default().to_string_lossy();
        let found = Table::read(&benchmark, &fs::read_to_string(&path)?);
        if found.is_empty() {
            return Err(format!("{} has no table: did it fail?", path.display()).into());
        }
        let about = fs::read_to_string(path.with_extension("about"))?;
        abouts.insert(benchmark.into_owned(), about);
        tables.extend(found);
    }

    let mut page = "# Results\n\nWritten by `scripts/figures`.\n\n".to_owned();
    for (benchmark, about) in &abouts {
        page += &format!("## {benchmark}\n\n{about}\n");
        for table in tables.iter().filter(|table| table.benchmark == *benchmark) {
            if !table.title.is_empty() {
                page += &format!("### {}\n\n", table.title);
            }
            page += &format!("{}\n", table.markdown());
        }
    }
    page += "## Pictures\n\n";
    for Picture { file, title, unit, bars } in CHARTS {
        let bars: Vec<_> = tables.iter().flat_map(bars).collect();
        if !bars.is_empty() {
            let chart = Chart { title: title.to_owned(), unit: unit.to_owned(), bars };
            fs::write(folder.join(file), chart.svg()?)?;
            page += &format!("![{title}]({file})\n\n");
        }
    }
    fs::write(folder.join("results.md"), page.trim_end().to_owned() + "\n")?;
    let all = json!({ "about": abouts, "tables": tables });
    fs::write(folder.join("results.json"), serde_json::to_string_pretty(&all)? + "\n")?;
    Ok(())
}

/// A file, and the bars that a table gives for it.
struct Picture {
    file: &'static str,
    title: &'static str,
    unit: &'static str,
    bars: fn(&Table) -> Vec<Bar>,
}

const CHARTS: [Picture; 6] = [
    Picture {
        file: "forward.svg",
        title: "A tunnel beside a plain TCP relay, on loopback",
        unit: "MB/s",
        bars: |table| by_columns(table, "forward", &["plain relay", "-t local", "client alone"]),
    },
    Picture {
        file: "ceiling.svg",
        title: "What comes from a node whose agent paces, by each way",
        unit: "MB/s",
        bars: of_ceiling,
    },
    Picture {
        file: "reliability.svg",
        title: "Bulk through an unreliable service, no byte lost",
        unit: "MB/s",
        bars: |table| by_columns(table, "reliability", &["up, MB/s", "down, MB/s"]),
    },
    Picture {
        file: "slow-lines.svg",
        title: "What an upload gets of a slow line",
        unit: "% of the line",
        bars: |table| of_slow_lines(table, "share"),
    },
    Picture {
        file: "keys.svg",
        title: "A key there and back while an upload fills the line, half of them",
        unit: "ms",
        bars: |table| of_slow_lines(table, "key, ms: half"),
    },
    Picture {
        file: "grid.svg",
        title: "Goodput on paths without losses, by round trip and rate, in virtual time",
        unit: "% of the path",
        bars: of_grid,
    },
];

/// A group for each row of a rate, a series for each column.
fn by_columns(table: &Table, benchmark: &str, columns: &[&str]) -> Vec<Bar> {
    let mut bars = Vec::new();
    for row in table.rows.iter().filter(|_| table.benchmark == benchmark) {
        for series in columns {
            let Some(column) = table.column(series) else { return Vec::new() };
            let is_rate = series.ends_with("MB/s") || row[0].ends_with("MB/s");
            if let (Some(value), true) = (number(&row[column]), is_rate) {
                let group = row[0].trim_end_matches(", MB/s").to_owned();
                bars.push(Bar { group, series: series.trim_end_matches(", MB/s").into(), value });
            }
        }
    }
    bars
}

/// Of what comes; uploads are not paced.
fn of_ceiling(table: &Table) -> Vec<Bar> {
    let is_it = table.benchmark == "ceiling";
    let Some(rate) = table.column("MB/s").filter(|_| is_it) else { return Vec::new() };
    let down = table.rows.iter().filter(|row| !row[0].contains("up"));
    let bar = |row: &Vec<String>| {
        Some(Bar { group: row[0].clone(), series: "down".into(), value: number(&row[rate])? })
    };
    down.filter_map(bar).collect()
}

fn of_slow_lines(table: &Table, column: &str) -> Vec<Bar> {
    let names = ["line", "bulk", "way", column].map(|name| table.column(name));
    let [Some(line), Some(bulk), Some(way), Some(column)] = names else { return Vec::new() };
    let uploads = table.rows.iter().filter(|row| row[bulk] == "Upload");
    let bar = |row: &Vec<String>| {
        let (group, series) = (row[line].clone(), row[way].clone());
        Some(Bar { group, series, value: number(&row[column])? })
    };
    uploads.filter_map(bar).collect()
}

fn of_grid(table: &Table) -> Vec<Bar> {
    let names = ["rate", "round trip", "loss", "goodput"].map(|name| table.column(name));
    let [Some(rate), Some(round_trip), Some(loss), Some(goodput)] = names else {
        return Vec::new();
    };
    let rates = ["60 KB/s", "300 KB/s", "1.25 MB/s", "20 MB/s", "125 MB/s"];
    let is_clients = table.title == "The client sends";
    let wanted =
        |row: &&Vec<String>| is_clients && row[loss] == "0 %" && rates.contains(&&*row[rate]);
    let bar = |row: &Vec<String>| {
        let (group, series) = (row[round_trip].clone(), row[rate].clone());
        Some(Bar { group, series, value: number(&row[goodput])? })
    };
    table.rows.iter().filter(wanted).filter_map(bar).collect()
}
