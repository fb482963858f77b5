//go:build !race

package index

const effort = 1
