//! stand-in
use std::io;
use std::path::Path;
pub(crate) struct Row {
    pub work: String,
    pub figure: String,
    pub unit: String,
    pub ours: f64,
    pub floor: Option<f64>,
    pub target: Target,
}
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    AtMost(f64),
    AtLeast(f64),
}
pub(crate) struct Curve {
    pub name: String,
    #[expect(dead_code)]
    pub x: String,
    #[expect(dead_code)]
    pub y: String,
    pub ours: Vec<(f64, f64)>,
    pub floor: Vec<(f64, f64)>,
}
pub(crate) struct Report {
    rows: Vec<Row>,
    curves: Vec<Curve>,
}
impl Report {
    pub(crate) fn begin(_m: &str) -> Report {
        Report {
            rows: vec![],
            curves: vec![],
        }
    }
    pub(crate) fn add(&mut self, r: Row) {
        let ratio = r.floor.map(|f| r.ours / f);
        let v = ratio.unwrap_or(r.ours);
        let met = match r.target {
            Target::AtMost(t) => v <= t,
            Target::AtLeast(t) => v >= t,
        };
        println!(
            "{:50} {:14} {:>10.4} {:>10} {:6} {:>8} {:?} {}",
            r.work,
            r.figure,
            r.ours,
            r.floor.map_or(String::new(), |f| format!("{f:.4}")),
            r.unit,
            ratio.map_or(String::new(), |f| format!("{f:.3}")),
            r.target,
            if met { "yes" } else { "NOT MET" }
        );
        self.rows.push(r);
    }
    pub(crate) fn add_curve(&mut self, c: Curve) {
        println!("{}: {:?} / {:?}", c.name, c.ours, c.floor);
        self.curves.push(c)
    }
    pub(crate) fn summary(&self) -> String {
        String::new()
    }
    pub(crate) fn write(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}
pub(crate) fn heading() -> String {
    String::new()
}
