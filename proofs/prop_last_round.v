(** Chapter 06, the last round may be bad. *)

From Coq Require Import Reals Lra Lia.
From Coquelicot Require Import Coquelicot.
From Robust Require Import Common Training.
Open Scope R_scope.

Definition product (w x : R) : R := w * x.
Definition clip (w : R) : R := Rmax (-1) (Rmin 1 w).

(** One point x = 1 with label 1; the losses of the two games, and the subgradients in a round. *)
Definition served (x w : R) : R := frozen_loss hinge product 1 (fun _ => 1) (fun _ => x) w.
Definition game_1 (i : nat) (x : R) : Prop := x = 1.
Definition game_2 (i : nat) (x : R) : Prop := x = 1 \/ x = -1.
Definition subgradient (h : R -> R) (w s : R) : Prop := forall v, h w + s * (v - w) <= h v.

Lemma served_hinge x w : served x w = Rmax 0 (1 - w * x).
Proof.
  unfold served, frozen_loss, mean, hinge, product. simpl.
  rewrite Rmult_1_l. field.
Qed.

Lemma robust_one B w M :
  is_lub (fun l => exists x, B O x /\ l = hinge (product w x) 1) M ->
  is_robust_loss hinge product 1 (fun _ => 1) B w M.
Proof.
  intros H. exists (fun _ => M). split; [|unfold mean; simpl; field].
  intros i Hi. replace i with O by lia. exact H.
Qed.

Theorem prop_last_round :
  forall (T : nat) (alpha w s : nat -> R),
  (2 <= T)%nat ->  (* book: T\ge2 *)
  (forall t, 0 < alpha t) ->  (* book: step sizes $\alpha_0,\dots,\alpha_{T-1}>0$ *)
  w O = 0 ->  (* book: w_0=0 *)
  (forall t, (t < T - 1)%nat -> subgradient (served 1) (w t) (s t)) ->
  (* book: the attack moves $x$ in the last round only *)
  (forall t, (t < T - 1)%nat -> w (S t) = clip (w t - alpha t * s t)) ->
  (* book: \lvert w\rvert\le1 *)
  (exists v robust, -1 <= v <= 1 /\
    is_robust_loss hinge product 1 (fun _ => 1) game_1 v robust /\
    served 1 (w (T - 1)%nat) >= robust + 1 / 2)  (* book: \mathcal{B}(x)=\{x\} *)
  \/
  (exists v robust, -1 <= v <= 1 /\
    is_robust_loss hinge product 1 (fun _ => 1) game_2 v robust /\
    served (-1) (w (T - 1)%nat) >= robust + 1 / 2).  (* book: L_*(w)+\frac12 *)
Proof.
  intros T alpha w s HT Ha H0 Hs Hw.
  (* the weight of the last round lies in [0, 1] *)
  assert (range : forall t, (t <= T - 1)%nat -> 0 <= w t <= 1).
  { induction t as [|t IH]; intros Ht; [rewrite H0; lra|].
    assert (IH' := IH ltac:(lia)). rewrite Hw by lia.
    assert (S0 : s t <= 0).
    { assert (S := Hs t ltac:(lia) (w t + 1)). rewrite !served_hinge in S.
      assert (M : Rmax 0 (1 - (w t + 1) * 1) <= Rmax 0 (1 - w t * 1))
        by (apply Rle_max_compat_l; lra). lra. }
    assert (P : 0 <= - (alpha t * s t)) by (specialize (Ha t); nra).
    unfold clip. split.
    - apply Rle_trans with (Rmin 1 (w t - alpha t * s t)); [|apply Rmax_r].
      apply Rmin_glb; lra.
    - apply Rmax_lub; [lra|apply Rmin_l]. }
  specialize (range (T - 1)%nat (le_n _)). set (c := w (T - 1)%nat) in *.
  rewrite !served_hinge.
  (* one of the excesses 1 - c and c is at least 1/2 *)
  destruct (Rle_or_lt c (1 / 2)) as [Hc|Hc].
  - left. exists 1, 0. split; [lra|split].
    + apply robust_one. split.
      * intros l (x & -> & ->). unfold hinge, product. apply Rmax_lub; lra.
      * intros b Hb. apply Hb. exists 1. split; [easy|]. unfold hinge, product.
        rewrite Rmax_left; lra.
    + assert (M := Rmax_r 0 (1 - c * 1)). lra.
  - right. exists 0, 1. split; [lra|split].
    + apply robust_one. split.
      * intros l (x & _ & ->). unfold hinge, product. apply Rmax_lub; lra.
      * intros b Hb. apply Hb. exists 1. split; [now left|]. unfold hinge, product.
        rewrite Rmax_right; lra.
    + assert (M := Rmax_r 0 (1 - c * -1)). lra.
Qed.
