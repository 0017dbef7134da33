# Curve.pm - time against the size of the heap: measured once for each multiple, and drawn as a panel for each row.
package Curve;
use strict;
use warnings;
use utf8;
use Managers;
use Measure;
use Picture;

my $SECONDS = 12; # what takes longer has no point
my $SHORT = 1;    # what is shorter is measured twice
my @TIMES = (1.3, 1.5, 2, 3, 4, 6);
my %HAS = map { $_ => 1 } qw(trees gcbench documents);
my %COLOUR = (generational => '#c1121f', marksweep => '#1d4e89', semispace => '#2a9d8f', markcompact => '#7b4fa3',
	'Java Serial' => '#d98200', 'Java Parallel' => '#6c757d', 'Java G1' => '#000000');
my ($WIDTH, $HEIGHT, $LEFT, $TOP, $GAP) = (300, 330, 50, 60, 150); # of a panel; GAP: for names at its right

sub has { return $HAS{ $_[0]{name} } }

# Measures, writes FOLDER/gc-curve.svg; returns rows, each with {curve}{NAME}{TIMES} in CPU s; names, times.
sub measure {
	my ($rows, $folder) = @_;
	my @rows = grep { has($_) } @$rows;
	my @managers = Managers::curved(@TIMES);
	my (%seen, @names);
	push @names, grep { !$seen{$_}++ } map { $_->{name} } @managers;
	for my $times (@TIMES) { # so that managers alternate
		for my $row (@rows) {
			point($row, $_) for grep { $_->{times} == $times } @managers;
		}
	}
	my $curve = { rows => \@rows, names => \@names, times => \@TIMES, seconds => $SECONDS };
	open my $to, '>:encoding(UTF-8)', "$folder/gc-curve.svg" or die "run: $folder/gc-curve.svg: $!\n";
	print $to draw($curve);
	close $to or die "run: $folder/gc-curve.svg: $!\n";
	return $curve;
}

sub point {
	my ($row, $m) = @_;
	my $once = sub { Measure::once($row->{command}, $m, int($m->{times} * $row->{minimum}), $SECONDS) };
	my $f = $once->();
	if (!$f->{error} && $f->{cpu} < $SHORT) {
		my $again = $once->();
		$f = $again if $again->{error} || $again->{cpu} < $f->{cpu};
	}
	my $check = $row->{check}{ join ' ', @{ $row->{command} } } //= $f->{check};
	my $label = Managers::label($m);
	die "run: $row->{name}: $label computed $f->{check}, others $check\n" if !$f->{error} && $f->{check} ne $check;
	$row->{curve}{ $m->{name} }{ $m->{times} } = $f->{cpu};
	printf STDERR "%-18s %-34s %s\n", $row->{name}, $label, $f->{error} // sprintf '%7.3f s CPU', $f->{cpu};
}

# ---- drawing ----

sub draw {
	my ($curve) = @_;
	my @rows = @{ $curve->{rows} };
	my ($width, $height) = ($LEFT + @rows * ($WIDTH + $GAP), $TOP + $HEIGHT + 60);
	my $svg = Picture::open_svg($width, $height, 'CPU time against the size of the heap');
	$svg .= panel($curve, $rows[$_], $LEFT + $_ * ($WIDTH + $GAP)) for 0 .. $#rows;
	return $svg . "</svg>\n";
}

# Both axes are logarithmic: heaps from 1.3 to 6 times, and time over as many octaves as there are.
sub panel {
	my ($curve, $row, $left) = @_;
	my @all = sort { $a <=> $b } grep { defined } map { values %$_ } values %{ $row->{curve} };
	my ($low, $high) = @all ? ($all[0] / 1.1, $all[-1] * 1.1) : (1, 2);
	my $x = sub { $left + $WIDTH * log($_[0] / $TIMES[0]) / log($TIMES[-1] / $TIMES[0]) };
	my $y = sub { $TOP + $HEIGHT * log($high / $_[0]) / log($high / $low) };
	my $title = join(' ', @{ $row->{command} }) . ': CPU s';
	my $svg = Picture::text($left, 24, $title, 'font-size' => 15, 'font-weight' => 'bold');
	for my $times (@TIMES) {
		$svg .= Picture::stroke($x->($times), $TOP, $x->($times), $TOP + $HEIGHT, '#e5e5e5');
		$svg .= Picture::text($x->($times), $TOP + $HEIGHT + 16, $times, 'text-anchor' => 'middle');
	}
	for my $time (ticks($low, $high)) {
		$svg .= Picture::stroke($left, $y->($time), $left + $WIDTH, $y->($time), '#e5e5e5');
		$svg .= Picture::text($left - 6, $y->($time) + 4, $time, 'text-anchor' => 'end');
	}
	my $below = $TOP + $HEIGHT + 36;
	$svg .= Picture::text($left + $WIDTH / 2, $below, 'heap, times the minimum', 'text-anchor' => 'middle');
	return $svg . lines($curve, $row, $x, $y, $left + $WIDTH);
}

sub ticks {
	my ($low, $high) = @_;
	my @nice = map { my $ten = 10 ** $_; map { $_ * $ten } 1, 1.5, 2, 3, 4, 5, 7 } -2 .. 2;
	return grep { $_ >= $low && $_ <= $high } @nice;
}

# A line for each manager, Java's broken; its name stands where it ends, moved down where another one stands.
sub lines {
	my ($curve, $row, $x, $y, $right) = @_;
	my ($svg, %end) = ('');
	for my $name (@{ $curve->{names} }) {
		my $of = $row->{curve}{$name};
		my @at = map { [$x->($_), $y->($of->{$_})] } grep { defined $of->{$_} } @TIMES;
		next if !@at;
		my $points = join ' ', map { sprintf '%.1f,%.1f', @$_ } @at;
		my $how = sprintf 'stroke="%s" stroke-width="%s"', $COLOUR{$name}, $name eq $Managers::MAIN ? 3 : 1.6;
		$how .= ' stroke-dasharray="5 3"' if $name =~ /^Java/;
		$svg .= qq{<polyline points="$points" fill="none" $how/>\n};
		$svg .= sprintf qq{<circle cx="%.1f" cy="%.1f" r="2.5" fill="%s"/>\n}, @$_, $COLOUR{$name} for @at;
		$end{$name} = $at[-1];
	}
	my $below = 0;
	for my $name (sort { $end{$a}[1] <=> $end{$b}[1] } keys %end) {
		my $at = $end{$name}[1] + 4;
		$at = $below + 14 if $at < $below + 14;
		$below = $at;
		$svg .= Picture::stroke(@{ $end{$name} }, $right + 16, $at - 4, $COLOUR{$name});
		my $weight = $name eq $Managers::MAIN ? 'bold' : 'normal';
		$svg .= Picture::text($right + 20, $at, $name, 'font-weight' => $weight);
	}
	return $svg;
}

1;
