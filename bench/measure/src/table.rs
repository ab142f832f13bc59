//! Tables that are Markdown and can be read as they are.

/// Rows of cells under a head. The first column stands left, the others right.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let longest = cells.map(|cell| cell.chars().count()).max();
        let title = head.get(column).map_or(0, |title| title.chars().count());
        longest.unwrap_or(0).max(title).max(3)
    };
    let widths: Vec<_> = (0..head.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::from("|");
        for (column, (cell, width)) in cells.zip(&widths).enumerate() {
            line += &if column == 0 {
                format!(" {cell:<width$} |")
            } else {
                format!(" {cell:>width$} |")
            };
        }
        line + "\n"
    };
    let mut out = line(&mut head.iter().copied());
    out.push('|');
    for (column, width) in widths.iter().enumerate() {
        let dashes = "-".repeat(*width);
        out += &if column == 0 {
            format!(" {dashes} |")
        } else {
            format!(" {}: |", dashes.get(1..).unwrap_or_default())
        };
    }
    out.push('\n');
    for row in rows {
        out += &line(&mut row.iter().map(String::as_str));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["a".to_owned(), "12,345".to_owned()]];
        let expected = "| name |    n/s |\n| ---- | -----: |\n| a    | 12,345 |\n";
        assert_eq!(table(&["name", "n/s"], &rows), expected);
    }
}
