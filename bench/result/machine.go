package result

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ThisMachine describes the machine that the program runs on.
func ThisMachine() Machine {
	m := Machine{Cores: runtime.NumCPU(), Go: runtime.Version()}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		_, rest, _ := strings.Cut(string(text), "model name")
		name, _, _ := strings.Cut(rest, "\n")
		m.CPU = strings.Trim(name, "\t :")
	}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = strings.TrimSpace(string(text))
	}
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		if fields := strings.Fields(string(text)); len(fields) > 1 {
			kib, _ := strconv.ParseUint(fields[1], 10, 64)
			m.Memory = kib << 10
		}
	}
	return m
}

// Disk takes samples of how long a sync takes.
type Disk struct {
	file  *os.File
	sizes []int
	took  map[int][]float64 // in milliseconds
}

// diskFile is written over in a circle.
const diskFile = 8 << 20

// NewDisk makes a file of zeros in a directory.
func NewDisk(dir string, sizes ...int) (*Disk, error) {
	file, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		return nil, err
	}
	d := &Disk{file: file, sizes: sizes, took: map[int][]float64{}}
	if _, err := file.Write(make([]byte, diskFile)); err != nil {
		return nil, err
	}
	return d, file.Sync()
}

// Sample writes and syncs so many times in each size.
func (d *Disk) Sample(times int) error {
	for _, size := range d.sizes {
		block := make([]byte, size)
		for i := range times {
			begin := time.Now()
			if _, err := d.file.WriteAt(block, int64(i*size%diskFile)); err != nil {
				return err
			}
			if err := syscall.Fdatasync(int(d.file.Fd())); err != nil {
				return err
			}
			d.took[size] = append(d.took[size], time.Since(begin).Seconds()*1000)
		}
	}
	return nil
}

// Syncs sums up all samples.
func (d *Disk) Syncs() (syncs []Sync) {
	for _, size := range d.sizes {
		took := slices.Sorted(slices.Values(d.took[size]))
		if len(took) == 0 {
			continue
		}
		syncs = append(syncs, Sync{Bytes: size, Samples: len(took), P50: Median(took), P99: took[len(took)*99/100]})
	}
	return syncs
}

// Close closes the file.
func (d *Disk) Close() error { return d.file.Close() }
