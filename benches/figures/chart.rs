//! Bars: a group for each row of a table, a colour for each of what is compared.

use std::error::Error;

use plotters::{
    coord::{Shift, ranged1d::SegmentValue},
    prelude::*,
};

/// What is drawn.
pub struct Chart {
    pub title: String,
    /// Of the values.
    pub unit: String,
    pub bars: Vec<Bar>,
}

/// One bar.
#[derive(Clone, PartialEq, Debug)]
pub struct Bar {
    pub group: String,
    pub series: String,
    pub value: f64,
}

impl Chart {
    /// It as SVG, in colours that can be told apart on white and on black.
    pub fn svg(&self) -> Result<String, Box<dyn Error>> {
        let groups = in_order(self.bars.iter().map(|bar| &*bar.group));
        let series = in_order(self.bars.iter().map(|bar| &*bar.series));
        let group_height = series.len() * BAR as usize + BETWEEN as usize;
        let height = u32::try_from(groups.len() * group_height)? + AROUND;
        let mut svg = String::new();
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        self.draw(&area, &groups, &series)?;
        area.present()?;
        drop(area);
        Ok(svg)
    }

    fn draw<D: DrawingBackend>(
        &self,
        area: &DrawingArea<D, Shift>,
        groups: &[&str],
        series: &[&str],
    ) -> Result<(), Box<dyn Error>>
    where
        D::ErrorType: 'static,
    {
        let highest = self.bars.iter().map(|bar| bar.value).fold(0.0, f64::max);
        let text = ("sans-serif", 13).into_font().color(&GREY);
        // The first one above; there are two places at the least.
        let last = groups.len().saturating_sub(1);
        let (_, body) = area.split_vertically(HEAD);
        let title = ("sans-serif", 15).into_font().color(&GREY);
        area.draw(&Text::new(self.title.clone(), (20, 10), title))?;
        let mut chart = ChartBuilder::on(&body)
            .margin(8)
            .margin_right(24)
            .x_label_area_size(44)
            .y_label_area_size(250)
            .build_cartesian_2d(0.0..highest.max(1e-9) * 1.05, (0..last.max(1)).into_segmented())?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .y_labels(groups.len())
            .y_label_formatter(&|at| match at {
                SegmentValue::CenterOf(group) if *group <= last => groups[last - group].to_owned(),
                _ => String::new(),
            })
            .x_label_formatter(&|value| format!("{value:.0}"))
            .x_desc(&self.unit)
            .axis_style(GREY)
            .bold_line_style(GREY.mix(0.3))
            .light_line_style(TRANSPARENT)
            .label_style(text.clone())
            .axis_desc_style(text.clone())
            .draw()?;
        let count = i32::try_from(series.len())?;
        for (number, name) in (0..).zip(series) {
            let colour = COLOURS.into_iter().cycle().nth(number).unwrap_or(GREY);
            let number = i32::try_from(number)?;
            let from_middle = BAR * number - BAR * count / 2;
            for bar in self.bars.iter().filter(|bar| bar.series == *name) {
                let Some(group) = groups.iter().position(|group| *group == bar.group) else {
                    continue;
                };
                let group = SegmentValue::CenterOf(last - group);
                let (left, _) = chart.backend_coord(&(0.0, group.clone()));
                let (right, middle) = chart.backend_coord(&(bar.value, group));
                let top = middle + from_middle;
                let corners = [(left, top), (right, top + BAR - 1)];
                area.draw(&Rectangle::new(corners, colour.filled()))?;
            }
            // One row of words below the title.
            let (left, top) = (20 + number * (WIDTH as i32 - 40) / count.max(1), 38);
            let corners = [(left, top), (left + 10, top + 10)];
            area.draw(&Rectangle::new(corners, colour.filled()))?;
            area.draw(&Text::new((*name).to_owned(), (left + 15, top - 2), text.clone()))?;
        }
        Ok(())
    }
}

/// Each once, as they first come.
fn in_order<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut known = Vec::new();
    for name in names {
        if !known.contains(&name) {
            known.push(name);
        }
    }
    known
}

const WIDTH: u32 = 900;
/// Above and below the bars.
const AROUND: u32 = HEAD + 60;
/// For the title and what the colours mean.
const HEAD: u32 = 60;
/// How thick they are, and the room between two groups.
const BAR: i32 = 11;
const BETWEEN: i32 = 12;
const GREY: RGBColor = RGBColor(0x7a, 0x81, 0x8c);
const COLOURS: [RGBColor; 8] = [
    RGBColor(0x8a, 0x90, 0x99),
    RGBColor(0x3d, 0x86, 0xd0),
    RGBColor(0x2f, 0x9e, 0x6e),
    RGBColor(0xd9, 0x83, 0x24),
    RGBColor(0xc9, 0x56, 0x6f),
    RGBColor(0x8e, 0x6b, 0xc4),
    RGBColor(0x2a, 0x9d, 0xa5),
    RGBColor(0xb0, 0x9a, 0x2e),
];
