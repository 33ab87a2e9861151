/// A table for people: columns aligned as text, or Markdown.
pub struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(header: &[&str]) -> Self {
        Self { header: header.iter().map(ToString::to_string).collect(), rows: Vec::new() }
    }

    pub fn push(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Two spaces between columns.
    pub fn to_text(&self) -> String {
        let widths: Vec<usize> = (0..self.header.len()).map(|column| self.width(column)).collect();
        let mut text = String::new();
        for row in std::iter::once(&self.header).chain(&self.rows) {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            text += cells.collect::<Vec<_>>().join("  ").trim_end();
            text.push('\n');
        }
        text
    }

    /// A table as GitHub shows it.
    pub fn to_markdown(&self) -> String {
        let line = |cells: &[String]| {
            let cells: Vec<_> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let rule = vec!["---".to_string(); self.header.len()];
        std::iter::once(&self.header)
            .chain(std::iter::once(&rule))
            .chain(&self.rows)
            .map(|row| line(row))
            .collect()
    }

    fn width(&self, column: usize) -> usize {
        let cells = std::iter::once(&self.header).chain(&self.rows).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new(&["file", "frames"]);
        table.push(["é.mp4".to_string(), "7".to_string()]);
        table.push(["long name.mp4".to_string(), "12".to_string()]);
        assert_eq!(table.to_text(), "file           frames\né.mp4          7\nlong name.mp4  12\n");
        let markdown = "| file | frames |\n| --- | --- |\n| é.mp4 | 7 |\n| long name.mp4 | 12 |\n";
        assert_eq!(table.to_markdown(), markdown);
    }
}
