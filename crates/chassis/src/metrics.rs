//! Numbers of business code: what [`App::metrics`](crate::App::metrics) makes.

pub use gwanmun_telemetry::metrics::{
    Counter, CounterCell, Gauge, GaugeCell, Histogram, HistogramCell, Instruments, InvalidInstrument,
};
