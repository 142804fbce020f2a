//go:build tools

// Package tools names the program that `cargo xtask tools` builds, so that
// `go mod tidy` keeps its dependencies in go.mod.
package tools

import _ "go.etcd.io/etcd/server/v3"
