(** Chapter 10, networks on a line: a change of labels costs a unit. *)

From Coq Require Import Reals Lra Lia List.
From Coquelicot Require Import Coquelicot.
From Robust Require Import Common Pairs.
Open Scope R_scope.

Definition relu (u : R) : R := Rmax 0 u.

(** k units of the two-layer ReLU network on a line, with biases. *)
Definition line_net (k : nat) (c : R) (a w b : nat -> R) (t : R) : R :=
  c + total k (fun r => a r * relu (w r * t + b r)).

(** The labels change s times: s + 1 points in order, with signs in turn. *)
Definition alternates (s : nat) (t : nat -> R) (f : R -> R) : Prop :=
  (forall i, (i < s)%nat -> t i < t (S i)) /\
  (forall i, (i < s)%nat -> f (t i) * f (t (S i)) < 0).

Lemma relu_continuous u : continuous relu u.
Proof.
  apply (continuous_ext (fun u => (u + Rabs u) / 2)).
  - intros v. unfold relu, Rmax, Rabs. destruct Rle_dec, Rcase_abs; lra.
  - apply (continuous_scal_l (fun u => u + Rabs u) (/ 2)).
    apply (continuous_plus (fun u => u) Rabs); [apply continuous_id|apply continuous_Rabs].
Qed.

Lemma net_continuous k c a w b t : continuous (line_net k c a w b) t.
Proof.
  apply (continuous_plus (fun _ => c)); [apply continuous_const|].
  induction k as [|k IH]; [apply continuous_const|].
  apply (continuous_plus (fun t => total k (fun r => a r * relu (w r * t + b r)))); [exact IH|].
  apply (continuous_mult (fun _ => a k)); [apply continuous_const|].
  apply (continuous_comp (fun t => w k * t + b k) relu); [|apply relu_continuous].
  apply (ex_derive_continuous (fun t => w k * t + b k)). auto_derive. easy.
Qed.

(** Between points of opposite signs there is a zero. *)
Lemma zero_between k c a w b p q : p < q ->
  line_net k c a w b p * line_net k c a w b q < 0 ->
  exists z, p < z < q /\ line_net k c a w b z = 0.
Proof.
  intros Hpq H. set (f := line_net k c a w b) in *.
  assert (C : forall t, continuity_pt f t).
  { intros t. apply continuity_pt_filterlim, net_continuous. }
  destruct (IVT_gen f p q 0 C) as (z & Hz & Ez).
  { unfold Rmin, Rmax. destruct Rle_dec; nra. }
  exists z. split; [|easy]. rewrite Rmin_left, Rmax_right in Hz by lra.
  assert (z <> p) by (intros ->; rewrite Ez in H; lra).
  assert (z <> q) by (intros ->; rewrite Ez in H; lra). lra.
Qed.

(** A unit is affine between p and q unless its kink lies strictly between them. *)
Lemma unit_affine w b p t q : p < t < q -> 0 <= (w * p + b) * (w * q + b) ->
  (q - p) * relu (w * t + b) = (q - t) * relu (w * p + b) + (t - p) * relu (w * q + b).
Proof.
  intros Ht H. unfold relu.
  destruct (Rle_or_lt 0 (w * p + b)) as [A|A]; destruct (Rle_or_lt 0 (w * q + b)) as [B|B].
  - rewrite !Rmax_right; [ring|easy|easy|nra].
  - assert (E : w * p + b = 0) by nra. rewrite (Rmax_right 0 (w * p + b)) by lra.
    rewrite !Rmax_left; [rewrite E; ring|nra|nra].
  - assert (E : w * q + b = 0) by nra. rewrite (Rmax_right 0 (w * q + b)) by lra.
    rewrite !Rmax_left; [rewrite E; ring|nra|nra].
  - rewrite !Rmax_left; [ring|nra|nra|nra].
Qed.

(** Between neighbouring zeros with something else in between some unit has its kink. *)
Lemma kink_between k c a w b p t q : p < t < q ->
  line_net k c a w b p = 0 -> line_net k c a w b q = 0 -> line_net k c a w b t <> 0 ->
  exists r, (r < k)%nat /\ (w r * p + b r) * (w r * q + b r) < 0.
Proof.
  intros Ht Hp Hq Hn.
  assert (D : (exists r, (r < k)%nat /\ (w r * p + b r) * (w r * q + b r) < 0) \/
    (forall r, (r < k)%nat -> 0 <= (w r * p + b r) * (w r * q + b r))).
  { clear. induction k as [|k IH]; [right; lia|].
    destruct IH as [(r & Hr & H)|H]; [left; exists r; split; [lia|easy]|].
    destruct (Rlt_or_le ((w k * p + b k) * (w k * q + b k)) 0) as [L|L];
      [left; exists k; split; [lia|easy]|].
    right. intros r Hr. destruct (Nat.eq_dec r k) as [->|]; [easy|]. apply H. lia. }
  destruct D as [D|D]; [easy|exfalso]. apply Hn.
  assert (E : (q - p) * line_net k c a w b t =
    (q - t) * line_net k c a w b p + (t - p) * line_net k c a w b q).
  { unfold line_net.
    assert (T : (q - p) * total k (fun r => a r * relu (w r * t + b r)) =
      (q - t) * total k (fun r => a r * relu (w r * p + b r)) +
      (t - p) * total k (fun r => a r * relu (w r * q + b r))).
    { rewrite <- !total_scal, <- total_plus. apply total_ext. intros r Hr.
      assert (U := unit_affine (w r) (b r) p t q Ht (D r Hr)).
      replace ((q - p) * (a r * relu (w r * t + b r)))
        with (a r * ((q - p) * relu (w r * t + b r))) by ring. rewrite U. ring. }
    lra. }
  rewrite Hp, Hq in E. apply Rmult_eq_reg_l with (q - p); lra.
Qed.

Theorem prop_line :
  forall (k s : nat) (c : R) (a w b t : nat -> R),
  alternates s t (line_net k c a w b) ->  (* book: change their label $s$ times *)
  (s - 1 <= k)%nat.  (* book: $s-1$ for $s\ge4$ *)
Proof.
  intros k s c a w b t [Hord Halt]. set (f := line_net k c a w b) in *.
  (* a zero between any two neighbours of different labels *)
  destruct (finite_choice s (fun i z => t i < z < t (S i) /\ f z = 0) 0) as [z Hz].
  { intros i Hi. apply zero_between; auto. }
  assert (mono : forall i j, (i < j)%nat -> (j < s)%nat -> z i < z j).
  { intros i j Hij. induction j as [|j IH]; intros Hj; [lia|].
    assert (A := proj1 (Hz (S j) Hj)). assert (B := proj1 (Hz j ltac:(lia))).
    destruct (Nat.eq_dec i j) as [->|]; [lra|]. specialize (IH ltac:(lia) ltac:(lia)). lra. }
  (* between two neighbouring zeros a kink *)
  destruct (finite_choice (s - 1) (fun i r => (r < k)%nat /\
    (w r * z i + b r) * (w r * z (S i) + b r) < 0) O) as [r Hr].
  { intros i Hi. apply (kink_between k c a w b (z i) (t (S i)) (z (S i))).
    - assert (A := proj1 (Hz i ltac:(lia))). assert (B := proj1 (Hz (S i) ltac:(lia))). lra.
    - apply Hz. lia.
    - apply Hz. lia.
    - assert (A := Halt i ltac:(lia)). fold f. intros E. rewrite E in A. lra. }
  (* different intervals have different kinks: a unit has one *)
  apply (pigeonhole (s - 1) k r); [intros i Hi; now apply Hr|].
  intros i j Hij Hj E. destruct (Hr i ltac:(lia)) as [_ A]. destruct (Hr j Hj) as [_ B].
  rewrite <- E in B. set (w' := w (r i)) in *. set (b' := b (r i)) in *.
  assert (M1 := mono i (S i) ltac:(lia) ltac:(lia)).
  assert (M2 := mono j (S j) ltac:(lia) ltac:(lia)).
  assert (M3 : z (S i) <= z j).
  { destruct (Nat.eq_dec (S i) j) as [->|]; [lra|]. apply Rlt_le, mono; lia. }
  assert (opposite : forall p q, p * q < 0 -> p <= q -> p < 0 < q).
  { intros p q H L. destruct (Rlt_or_le p 0); destruct (Rlt_or_le 0 q); try easy; nra. }
  destruct (Rle_or_lt 0 w') as [W|W].
  - assert (P1 := opposite _ _ A ltac:(nra)). assert (P2 := opposite _ _ B ltac:(nra)).
    assert (w' * z (S i) <= w' * z j) by (apply Rmult_le_compat_l; lra). lra.
  - rewrite Rmult_comm in A, B.
    assert (P1 := opposite _ _ A ltac:(nra)). assert (P2 := opposite _ _ B ltac:(nra)).
    assert (w' * z j <= w' * z (S i)) by (apply Rmult_le_compat_neg_l; lra). lra.
Qed.
