(** Chapter 10, separable points, alternating balls. *)

From Coq Require Import Reals Lra Lia Bool.
From Coquelicot Require Import Coquelicot.
From Robust Require Import Common Simplex prop_line.
Open Scope R_scope.

(** k units of the two-layer ReLU network in the plane, with biases. *)
Definition plane_net (k : nat) (c : R) (a : nat -> R) (w : nat -> euclidean 2) (b : nat -> R)
  (x : euclidean 2) : R := c + total k (fun r => a r * relu (<< w r, x >> + b r)).

Definition pair (u v : R) : euclidean 2 := fun i => match i with O => u | _ => v end.
Definition label (i : nat) : R := if Nat.even i then 1 else -1.

Lemma dot_pair (w : euclidean 2) u v : << w, pair u v >> = w 0%nat * u + w 1%nat * v.
Proof. unfold pair. simpl. ring. Qed.

Lemma sqr_pair u v u' v' : << pair u v - pair u' v', pair u v - pair u' v' >> = (u - u') ^ 2 + (v - v') ^ 2.
Proof. unfold pair. simpl. ring. Qed.

Lemma label_next i : label (S i) = - label i.
Proof.
  unfold label. rewrite Nat.even_succ, <- Nat.negb_even. destruct (Nat.even i); simpl; ring.
Qed.

Theorem prop_zigzag :
  forall (n : nat) (rho : R),
  (2 <= n)%nat ->  (* book: n\ge2 *)
  0 < rho < 1 ->  (* book: \rho\in(0,1) *)
  exists (x : nat -> euclidean 2) (y : nat -> R) (separation : R),
  (forall i, y i = 1 \/ y i = -1)
  /\
  (* book: the distance of opposite labels *)
  (forall i j, (i < n)%nat -> (j < n)%nat -> y i <> y j -> separation <= norm (x i - x j))
  /\
  (exists i j, (i < n)%nat /\ (j < n)%nat /\ y i <> y j /\ norm (x i - x j) = separation)
  /\
  (* book: one unit is right at the points *)
  (exists c a w b, forall i, (i < n)%nat -> 0 < y i * plane_net 1 c a w b (x i))
  /\
  (* book: every two-layer ReLU network that is right on the balls *)
  forall k c a w b,
  (forall i x', (i < n)%nat -> norm (x' - x i) <= rho * (separation / 2) ->
    0 < y i * plane_net k c a w b x') ->  (* book: of radius $\rho$ times half the distance *)
  (n - 2 <= k)%nat.  (* book: at least $n-2$ units *)
Proof.
  intros n rho Hn [Hr0 Hr1].
  assert (P : 0 < 1 - rho ^ 2) by nra. assert (Q := sqrt_lt_R0 _ P).
  assert (QQ : sqrt (1 - rho ^ 2) ^ 2 = 1 - rho ^ 2) by (apply pow2_sqrt; lra).
  set (q := sqrt (1 - rho ^ 2)) in *.
  (* the points lie in two rows at the heights zeta and - zeta *)
  set (zeta := rho / (2 * q)). set (D := / q).
  assert (Hz : 0 < zeta) by (apply Rdiv_lt_0_compat; lra).
  assert (HD : 0 < D) by now apply Rinv_0_lt_compat.
  assert (Hzeta : rho * (D / 2) = zeta) by (unfold D, zeta; field; lra).
  assert (HDD : D ^ 2 = 1 + (2 * zeta) ^ 2).
  { unfold D, zeta. apply Rmult_eq_reg_r with (q ^ 2); [|nra].
    replace ((/ q) ^ 2 * q ^ 2) with 1 by (field; lra).
    replace ((1 + (2 * (rho / (2 * q))) ^ 2) * q ^ 2) with (q ^ 2 + rho ^ 2) by (field; lra). lra. }
  set (x := fun i : nat => pair (INR i) (label i * zeta)).
  assert (lab : forall i, label i = 1 \/ label i = -1) by (intros i; unfold label; destruct Nat.even; auto).
  assert (gap : forall i j, label i <> label j -> 1 <= (INR i - INR j) ^ 2).
  { intros i j H. destruct (Nat.lt_trichotomy i j) as [L|[->|L]]; [|easy|];
      apply le_INR in L; rewrite S_INR in L; nra. }
  exists x, label, D. split; [easy|split; [|split; [|split]]].
  - intros i j _ _ H. apply norm_ge; [lra|]. unfold x. rewrite sqr_pair, HDD.
    assert (G := gap i j H). destruct (lab i) as [Ei|Ei]; destruct (lab j) as [Ej|Ej]; rewrite Ei, Ej in *; nra.
  - exists 0%nat, 1%nat. split; [lia|split; [lia|split]].
    + unfold label. simpl. lra.
    + unfold norm. rewrite <- (sqrt_pow2 D) by lra. f_equal. unfold x. rewrite sqr_pair, HDD.
      unfold label. simpl. ring.
  - (* the line between the two rows separates the points *)
    exists (- zeta), (fun _ => 1), (fun _ => pair 0 1), (fun _ => zeta). intros i _.
    unfold plane_net, x. cbn [total]. rewrite dot_pair. unfold relu. simpl pair.
    destruct (lab i) as [-> | ->].
    + rewrite Rmax_right; simpl; lra.
    + rewrite Rmax_left; simpl; lra.
  - (* on the horizontal axis such a network changes its sign n - 1 times *)
    intros k c a w b H.
    assert (axis : forall t, plane_net k c a w b (pair t 0) = line_net k c a (fun r => w r 0%nat) b t).
    { intros t. unfold plane_net, line_net. f_equal. apply total_ext. intros r _.
      rewrite dot_pair. f_equal. f_equal. ring. }
    assert (L : forall i, (i < n)%nat -> 0 < label i * line_net k c a (fun r => w r 0%nat) b (INR i)).
    { intros i Hi. rewrite <- axis. apply H; [easy|]. rewrite Hzeta. apply norm_le; [lra|].
      unfold x. rewrite sqr_pair. destruct (lab i) as [-> | ->]; nra. }
    replace (n - 2)%nat with (n - 1 - 1)%nat by lia.
    apply (prop_line k (n - 1) c a (fun r => w r 0%nat) b INR). split.
    + intros i _. rewrite S_INR. lra.
    + intros i Hi. assert (A := L i ltac:(lia)). assert (B := L (S i) ltac:(lia)).
      rewrite label_next in B. destruct (lab i) as [E|E]; rewrite E in *; nra.
Qed.
