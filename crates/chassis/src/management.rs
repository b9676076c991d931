//! The management port of a service: health, metrics, configuration, loggers, exceptions, under the names of Actuator.
