//! A picture of the sender on three paths, as time goes on: SVG, in colours that can be told apart on
//! white and on black.

use std::{
    fmt::{self, Write},
    time::Duration,
};

use super::grid::{
    path,
    simulator::{Path, Sender, Simulation, rate_text},
};

/// All of the picture.
pub fn draw() -> String {
    let middle = LASTS / 2;
    let films = [
        Film { path: path(60_000, 20), then: None },
        Film { path: path(1_250_000, 100), then: Some((middle, path(300_000, 100))) },
        Film { path: path(20_000_000, 200), then: None },
    ];
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         role=\"img\">\n<title>The sender on three paths</title>\n<style>{STYLE}</style>\n"
    );
    for (column, film) in films.iter().enumerate() {
        film.draw(&mut svg, MARGIN + column as f64 * COLUMN).expect("a string takes all");
    }
    draw_legend(&mut svg).expect("a string takes all");
    svg + "</svg>\n"
}

/// One path, and what it becomes.
struct Film {
    path: Path,
    then: Option<(Duration, Path)>,
}

/// What is seen at one time.
struct Shot {
    /// Seconds from the beginning.
    time: f64,
    /// Bytes.
    window: f64,
    under_way: f64,
    /// Bytes that the empty path holds.
    share: f64,
    /// Bytes a second.
    rate: f64,
    /// Those that were delivered in the last second.
    delivered: f64,
    /// Milliseconds that messages take beyond the empty path.
    wait: f64,
}

/// One quantity over time.
type Line = (&'static str, fn(&Shot) -> f64);

impl Film {
    fn shoot(&self) -> Vec<Shot> {
        let mut simulation = Simulation::new(self.path, Sender::Client, 7);
        let (mut path, mut then) = (self.path, self.then);
        let (mut delivered, mut shots) = (vec![0], Vec::new());
        while simulation.elapsed() < LASTS {
            simulation.run_until(simulation.elapsed() + STEP);
            if let Some((_, next)) = then.take_if(|(at, _)| simulation.elapsed() >= *at) {
                simulation.change(next);
                path = next;
            }
            let flow = simulation.flow(0);
            delivered.push(flow.delivered);
            let (view, round_trip) = (flow.path(), path.round_trip);
            let second_before = delivered.len().saturating_sub(1 + STEPS_A_SECOND);
            let wait = view.round_trip.unwrap_or_default().saturating_sub(round_trip);
            shots.push(Shot {
                time: simulation.elapsed().as_secs_f64(),
                window: view.window as f64,
                under_way: flow.under_way() as f64,
                share: path.slowest() * round_trip.as_secs_f64(),
                rate: path.slowest(),
                delivered: (flow.delivered - delivered[second_before]) as f64,
                wait: wait.as_secs_f64() * 1e3,
            });
        }
        shots
    }

    fn draw(&self, svg: &mut String, left: f64) -> fmt::Result {
        let shots = self.shoot();
        text(svg, "title", left, 20.0, &self.title())?;
        let bytes: &[Line] = &[
            ("share", |shot| shot.share),
            ("under-way", |shot| shot.under_way),
            ("window", |shot| shot.window),
        ];
        let rates: &[Line] = &[("share", |shot| shot.rate), ("delivered", |shot| shot.delivered)];
        let waits: &[Line] = &[("wait", |shot| shot.wait)];
        let mut plot = Plot { left, top: 52.0, height: 150.0 };
        plot.draw(svg, &shots, bytes, &["under way, B", "under way, KB", "under way, MB"])?;
        plot = Plot { top: plot.bottom() + GAP, height: 90.0, ..plot };
        plot.draw(svg, &shots, rates, &["delivered, B/s", "delivered, KB/s", "delivered, MB/s"])?;
        plot = Plot { top: plot.bottom() + GAP, ..plot };
        plot.draw(svg, &shots, waits, &["waiting, ms", "waiting, s"])?;
        for second in (0..=LASTS.as_secs()).step_by(5) {
            let label = if second == 0 { "0 s".to_owned() } else { second.to_string() };
            text(svg, "middle", plot.x(second as f64), plot.bottom() + 15.0, &label)?;
        }
        Ok(())
    }

    fn title(&self) -> String {
        let rate = rate_text(self.path.rate);
        let then = self.then.map(|(_, path)| format!(", then {}", rate_text(path.rate)));
        let then = then.unwrap_or_default();
        format!("{rate}{then}, {} ms", self.path.round_trip.as_millis())
    }
}

/// A rectangle with time on its lower side.
#[derive(Clone, Copy)]
struct Plot {
    left: f64,
    top: f64,
    height: f64,
}

impl Plot {
    fn bottom(&self) -> f64 {
        self.top + self.height
    }

    fn x(&self, time: f64) -> f64 {
        self.left + time / LASTS.as_secs_f64() * PLOT_WIDTH
    }

    /// Draws all `lines` to one scale, in the smallest of `units` that makes short numbers, each of
    /// which is a thousand times the one before.
    fn draw(
        &self,
        svg: &mut String,
        shots: &[Shot],
        lines: &[Line],
        units: &[&str],
    ) -> fmt::Result {
        let values = shots.iter().flat_map(|shot| lines.iter().map(|(_, value)| value(shot)));
        let most = values.fold(0.0, f64::max);
        let step = step_of_scale(most);
        let top = (most / step).ceil() * step;
        let thousands = ((top.log10() / 3.0) as usize).min(units.len() - 1);
        let (unit, size) = (units[thousands], 1000_f64.powi(thousands as i32));
        let y = |value: f64| self.bottom() - value / top * self.height;
        text(svg, "unit", self.left, self.top - 7.0, unit)?;
        for tick in 0..=(top / step).round() as u32 {
            let value = f64::from(tick) * step;
            let (left, right, y) = (self.left, self.left + PLOT_WIDTH, y(value));
            writeln!(svg, "<path class=\"grid\" d=\"M{left:.0} {y:.1}H{right:.0}\"/>")?;
            text(svg, "end", left - 5.0, y + 4.0, &(value / size).to_string())?;
        }
        for (name, value) in lines {
            let points = shots.iter().map(|shot| (self.x(shot.time), y(value(shot))));
            curve(svg, name, points)?;
        }
        Ok(())
    }
}

/// A line through all points, of which those that change nothing are left out.
fn curve(svg: &mut String, class: &str, points: impl Iterator<Item = (f64, f64)>) -> fmt::Result {
    write!(svg, "<path class=\"{class}\" d=\"M")?;
    let points: Vec<_> = points.map(|(x, y)| (format!("{x:.1}"), format!("{y:.1}"))).collect();
    for (index, (x, y)) in points.iter().enumerate() {
        let is_same = |other: usize| points.get(other).is_some_and(|(_, other)| other == y);
        if index == 0 || !is_same(index - 1) || !is_same(index + 1) {
            write!(svg, "{x} {y} ")?;
        }
    }
    writeln!(svg, "\"/>")
}

/// A step of one, two or five of something, of which at most four make `most`.
fn step_of_scale(most: f64) -> f64 {
    let power = 10_f64.powf((most / 4.0).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    steps.into_iter().find(|step| step * 4.0 >= most).unwrap_or(most)
}

fn draw_legend(svg: &mut String) -> fmt::Result {
    let (mut x, y) = (MARGIN, HEIGHT - 12.0);
    for (class, label, width) in LEGEND {
        writeln!(svg, "<path class=\"{class}\" d=\"M{x:.0} {y:.0}h22\"/>")?;
        text(svg, "start", x + 28.0, y + 4.0, label)?;
        x += width;
    }
    Ok(())
}

fn text(svg: &mut String, class: &str, x: f64, y: f64, text: &str) -> fmt::Result {
    writeln!(svg, "<text class=\"{class}\" x=\"{x:.0}\" y=\"{y:.0}\">{text}</text>")
}

/// How long each path is looked at.
const LASTS: Duration = Duration::from_secs(20);
/// Less than two pixels.
const STEP: Duration = Duration::from_millis(100);
const STEPS_A_SECOND: usize = 10;

// In pixels.
const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 505.0;
const MARGIN: f64 = 42.0;
const COLUMN: f64 = 300.0;
const PLOT_WIDTH: f64 = 246.0;
const GAP: f64 = 34.0;

/// Each with the pixels that it takes.
const LEGEND: [(&str, &str, f64); 5] = [
    ("window", "window", 105.0),
    ("under-way", "under way", 120.0),
    ("share", "the empty path", 140.0),
    ("delivered", "delivered in the last second", 220.0),
    ("wait", "round trip beyond the empty path's", 225.0),
];
const STYLE: &str = "\
text{font:12px system-ui,sans-serif;fill:#7a818c}\
.title{font-size:13px;font-weight:600}\
.end{text-anchor:end}.middle{text-anchor:middle}\
path{fill:none;stroke-width:1.6;stroke-linejoin:round}\
.grid{stroke:#8884;stroke-width:1}\
.window{stroke:#3d86d0}.under-way{stroke:#d98324;stroke-width:1}\
.share{stroke:#8a9099;stroke-dasharray:5 4}\
.delivered{stroke:#2f9e6e}.wait{stroke:#c9566f}";
