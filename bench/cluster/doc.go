// Package cluster holds three real nodes against what they promise: processes on
// loopback that are killed, stopped, cut off from each other through a proxy, and
// given a full disk, under load that keeps a journal of what was acknowledged.
package cluster
