module example.invalid/weir/tests/compliance/receiver

go 1.26.0

// The module calls itself by a misspelt name; that is the one to ask for.
require github.com/prometheus/complicance/remotewrite2 v0.0.0

replace github.com/prometheus/complicance/remotewrite2 => github.com/prometheus/compliance/remotewrite/receiver v0.0.0-20260806071727-67b8327a2e93
