# Draws the tables of ./x bench. usage: gnuplot -e "folder='build/bench'" bench/plots.gp
set datafile separator ","
set datafile missing "not loaded"
set terminal svg size 900,520 dynamic font "sans-serif,13" background "white"
set key outside right top autotitle columnhead
set grid
set logscale x
set xrange [8:130000]
set xtics (10, 100, 1000, 10000, 100000)
set xlabel "rules"

# One line for each column behind the first.
lines(name) = folder."/".name.".csv"
columns(name) = int(system("head -n 1 ".lines(name)." | tr -cd , | wc -c")) + 1

do for [name in "udp udp_cpu tcp load program"] {
  if (system("test -e ".lines(name)." && echo there") eq "there") {
    if (name eq "udp") { set title "UDP through a veth, 64-byte packets"; set ylabel "1000 packets/s" }
    if (name eq "udp_cpu") { set title "UDP: the sender's CPU for each packet"; set ylabel "ns" }
    if (name eq "tcp") { set title "TCP through a veth, one connection"; set ylabel "Gbit/s" }
    if (name eq "load") { set title "Time to load the rules"; set ylabel "s" }
    if (name eq "program") { set title "krait's program over an empty one"; set ylabel "ns a packet" }
    if (name eq "tcp" || name eq "program") { unset logscale y; set yrange [0:*] } else { set logscale y; set yrange [*:*] }
    set output folder."/".name.".svg"
    plot for [i = 2:columns(name)] lines(name) using 1:i with linespoints linewidth 2
    unset output
  }
}

# The rule changes: a bar for each tool.
if (system("test -e ".lines("updates")." && echo there") eq "there") {
  unset logscale x
  set xrange [*:*]
  set logscale y
  set yrange [1:*]
  set title "A rule change, until the other CPU's packets meet it"
  set ylabel "us"
  unset xlabel
  set style fill solid 0.6
  set boxwidth 0.7
  set xtics rotate by -40 autofreq scale 0
  unset key
  set output folder."/updates.svg"
  plot lines("updates") using 0:3:xtic(stringcolumn(1).": ".stringcolumn(2)) with boxes
  unset output
}
