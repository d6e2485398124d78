//! A graph as text, one node a line.

use std::fmt;

use super::{Graph, Kind};

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, node) in self.nodes().iter().enumerate() {
            write!(f, "%{i} = ")?;
            match &node.kind {
                Kind::Input { name, .. } => write!(f, "input {name}")?,
                Kind::Parameter { name } => write!(f, "parameter {name}")?,
                Kind::Buffer { name } => write!(f, "buffer {name}")?,
                Kind::Setting { name, value } => write!(f, "setting {name} = {value}")?,
                Kind::Op { op, inputs } => {
                    write!(f, "{}", op.name())?;
                    for (n, input) in inputs.iter().enumerate() {
                        write!(f, "{}%{}", if n == 0 { " " } else { ", " }, input.0)?;
                    }
                }
            }
            writeln!(f, " : {}", node.meta.shape)?;
        }
        Ok(())
    }
}
