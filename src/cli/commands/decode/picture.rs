//! A trace as a picture: messages by their numbers over time, each way, and what the sender went by.

use std::error::Error;

use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::{axis::Axis, conversation::Meaning, traced::Line};
use crate::cli::args::Way;

/// What is drawn of one session.
#[derive(Debug, Default)]
pub(super) struct Picture {
    out: Messages,
    inward: Messages,
    /// In KiB.
    window: Points,
    under_way: Points,
    /// In KiB a second.
    rate: Points,
    /// In milliseconds.
    round_trip: Points,
    /// When a connection was lost, and another one had.
    breaks: Vec<f64>,
    end: f64,
}

/// Numbers by time.
#[derive(Debug, Default)]
struct Messages {
    sent: Points,
    again: Points,
    acknowledged: Points,
}

/// Points, in the order of time.
type Points = Vec<(f64, f64)>;

impl Picture {
    pub(super) fn take(&mut self, line: &Line, meaning: Meaning) {
        let t = shown(line.t);
        self.end = self.end.max(t);
        if let Some(window) = line.window {
            self.window.push((t, shown(window as f64 / 1024.0)));
            self.under_way.push((t, shown(line.under_way as f64 / 1024.0)));
            self.rate.extend(line.rate.map(|rate| (t, shown(rate / 1024.0))));
            self.round_trip.extend(line.round_trip_ms.map(|ms| (t, shown(ms))));
        }
        if line.note.is_some() {
            self.breaks.push(t);
        }
        let Some(way) = line.way() else { return };
        let (own, other) = match way {
            Way::Out => (&mut self.out, &mut self.inward),
            Way::In => (&mut self.inward, &mut self.out),
        };
        match meaning {
            Meaning::Sent { times: 1 } => own.sent.push((t, shown(line.sequence as f64))),
            Meaning::Sent { .. } => own.again.push((t, shown(line.sequence as f64))),
            Meaning::Acknowledged { .. } => {
                let number = shown(line.acknowledges.unwrap_or_default() as f64);
                other.acknowledged.push((t, number));
            }
            Meaning::Alone => {}
        }
    }

    /// It as SVG, in colours that can be told apart on white and on black.
    pub(super) fn svg(&self, session: &str) -> Result<String, Box<dyn Error>> {
        let mut svg = String::new();
        self.draw(
            &SVGBackend::with_string(&mut svg, (WIDTH, HEIGHT)).into_drawing_area(),
            session,
        )?;
        Ok(svg)
    }

    fn draw<D: DrawingBackend>(
        &self,
        area: &DrawingArea<D, Shift>,
        session: &str,
    ) -> Result<(), Box<dyn Error>>
    where
        D::ErrorType: 'static,
    {
        let title = ("sans-serif", 15).into_font().color(&GREY);
        area.draw(&Text::new(session.to_owned(), (20, 8), title))?;
        let (_, body) = area.split_vertically(HEAD);
        let panels = body.split_evenly((5, 1));
        let Messages { sent, again, acknowledged } = &self.out;
        let series =
            [("sent", BLUE, sent), ("acknowledged", GREEN, acknowledged), ("again", RED, again)];
        self.panel(&panels[0], "messages to the node", Form::Dots, &series)?;
        let Messages { sent, again, acknowledged } = &self.inward;
        let series =
            [("came", BLUE, sent), ("acknowledged", GREEN, acknowledged), ("again", RED, again)];
        self.panel(&panels[1], "messages from the node", Form::Dots, &series)?;
        let series = [("window", GREEN, &self.window), ("under way", BLUE, &self.under_way)];
        self.panel(&panels[2], "KiB to the node", Form::Lines, &series)?;
        self.panel(&panels[3], "KiB/s to the node", Form::Lines, &[("arrive", BLUE, &self.rate)])?;
        let series = [("smoothed", BLUE, &self.round_trip)];
        self.panel(&panels[4], "round trip, ms", Form::Lines, &series)?;
        area.present()?;
        Ok(())
    }

    fn panel<D: DrawingBackend>(
        &self,
        area: &DrawingArea<D, Shift>,
        title: &str,
        form: Form,
        series: &[(&str, RGBColor, &Points)],
    ) -> Result<(), Box<dyn Error>>
    where
        D::ErrorType: 'static,
    {
        let points = || series.iter().flat_map(|(_, _, points)| points.iter());
        let is_empty = points().next().is_none();
        let highest = points().map(|(_, y)| *y).fold(1.0, f64::max) * 1.05;
        let text = ("sans-serif", 12).into_font().color(&GREY);
        let seconds = Axis::up_to(self.end.max(1e-3), MOST_SECONDS);
        let values = Axis::up_to(highest, MOST_VALUES);
        let values = match (is_empty, form) {
            (true, _) => values.bare(),
            (false, Form::Dots) => values.whole(),
            (false, Form::Lines) => values,
        };
        let mut chart = ChartBuilder::on(area)
            .margin_left(8)
            .margin_right(24)
            .margin_top(22)
            .x_label_area_size(26)
            .y_label_area_size(64)
            .build_cartesian_2d(seconds, values)?;
        chart
            .configure_mesh()
            .axis_style(GREY)
            .bold_line_style(GREY.mix(0.25))
            .light_line_style(TRANSPARENT)
            .x_label_formatter(&|at| format!("{} s", seconds.label(*at)))
            .y_label_formatter(&|value| values.label(*value))
            .label_style(text.clone())
            .draw()?;
        let broken = self
            .breaks
            .iter()
            .map(|t| PathElement::new([(*t, 0.0), (*t, highest)], GREY.mix(0.6).stroke_width(1)));
        chart.draw_series(broken)?;
        for (_, colour, points) in series {
            let points = thinned(points);
            match form {
                Form::Lines if points.len() > 1 => {
                    chart.draw_series([PathElement::new(points, colour.stroke_width(1))])?;
                }
                // One point is no line.
                Form::Dots | Form::Lines => {
                    let dots = points.into_iter().map(|at| Circle::new(at, 1.5, colour.filled()));
                    chart.draw_series(dots)?;
                }
            }
        }
        if is_empty {
            let (width, height) = area.dim_in_pixel();
            let middle = text.pos(Pos::new(HPos::Center, VPos::Center));
            let at = (width as i32 / 2, height as i32 / 2);
            area.draw(&Text::new(NOTHING.to_owned(), at, middle))?;
        }
        area.draw(&Text::new(title.to_owned(), (74, 6), text.clone()))?;
        for ((name, colour, _), at) in series.iter().zip(0..) {
            let left = WIDTH as i32 - 330 + 105 * at;
            area.draw(&Rectangle::new([(left, 8), (left + 8, 16)], colour.filled()))?;
            area.draw(&Text::new((*name).to_owned(), (left + 13, 6), text.clone()))?;
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Form {
    Dots,
    Lines,
}

/// What fits a picture: a trace may say anything.
fn shown(value: f64) -> f64 {
    if value.is_finite() { value.clamp(0.0, MOST_SHOWN) } else { 0.0 }
}

/// As many as can be told apart.
fn thinned(points: &Points) -> Points {
    points.iter().step_by(points.len().div_ceil(MOST_POINTS).max(1)).copied().collect()
}

const WIDTH: u32 = 1000;
const HEIGHT: u32 = HEAD + 5 * 190;
const HEAD: u32 = 30;
const MOST_POINTS: usize = 4000;
const MOST_SECONDS: u32 = 10;
const MOST_VALUES: u32 = 6;
const NOTHING: &str = "nothing of it in this trace";
/// Of anything: seconds, bytes, messages.
const MOST_SHOWN: f64 = 1e12;
const GREY: RGBColor = RGBColor(0x7a, 0x81, 0x8c);
const BLUE: RGBColor = RGBColor(0x3d, 0x86, 0xd0);
const GREEN: RGBColor = RGBColor(0x2f, 0x9e, 0x6e);
const RED: RGBColor = RGBColor(0xd9, 0x3f, 0x3f);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panel_without_anything_says_so() {
        let mut picture = Picture::default();
        let svg = picture.svg("s").unwrap();
        assert_eq!(svg.matches(NOTHING).count(), 5, "{svg}");
        let line = r#"{"t":0.5,"direction":"out","kind":"input_stream_data","sequence":1}"#;
        let line: Line = serde_json::from_str(line).unwrap();
        picture.take(&line, Meaning::Sent { times: 1 });
        let svg = picture.svg("s").unwrap();
        assert_eq!(svg.matches(NOTHING).count(), 4, "{svg}");
        // The only one of its panel is seen.
        picture.round_trip.push((0.5, 20.0));
        let svg = picture.svg("s").unwrap();
        assert_eq!((svg.matches(NOTHING).count(), svg.matches("<circle").count()), (3, 2), "{svg}");
    }
}
